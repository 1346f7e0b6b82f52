package source

import (
	"bytes"
	"encoding/pem"
	"fmt"
)

// MaxSize is the most that a source reads of one secret or document: 64 KiB.
const MaxSize = 64 << 10

// A Decoder makes a set of the bytes that a source read. Its errors wrap
// [ErrInvalid] and hold nothing of the data.
type Decoder func(data []byte) (Set, error)

// Plain decodes one token: visible ASCII, nothing else. White space around it
// and one byte order mark before it are dropped (F18); anything else that no
// header could carry, a CR in the middle, a PEM block, an HTML page, is an
// error (F19, F20).
func Plain(data []byte) (Set, error) {
	token, err := Token(data)
	if err != nil {
		return Set{}, err
	}
	return Set{Keys: []Key{{Secret: token}}}, nil
}

// PEM decodes one secret in PEM form (RFC 7468), such as a private key. The
// text is kept as it is but for the white space around it.
func PEM(data []byte) (Set, error) {
	data = trim(data)
	block, rest := pem.Decode(data)
	switch {
	case len(data) == 0:
		return Set{}, fmt.Errorf("%w: empty", ErrInvalid)
	case block == nil || len(block.Bytes) == 0 || !bytes.HasPrefix(data, []byte("-----BEGIN ")):
		return Set{}, fmt.Errorf("%w: not a PEM block", ErrInvalid)
	case len(trim(rest)) > 0:
		return Set{}, fmt.Errorf("%w: text after the PEM block", ErrInvalid)
	}
	return Set{Keys: []Key{{Secret: NewSecret(string(data))}}}, nil
}

// Token checks one token as [Plain] does and returns it; for sources that put
// keys together out of several fields.
func Token(data []byte) (Secret, error) {
	data = trim(data)
	if len(data) == 0 {
		return Secret{}, fmt.Errorf("%w: empty", ErrInvalid)
	}
	if len(data) > MaxSize {
		return Secret{}, fmt.Errorf("%w: longer than %d bytes", ErrInvalid, MaxSize)
	}
	for i, c := range data {
		if c <= ' ' || c > '~' {
			return Secret{}, fmt.Errorf("%w: byte %d of %d is not visible ASCII", ErrInvalid, i+1, len(data))
		}
	}
	if data[0] == '<' || data[0] == '{' || data[0] == '[' {
		return Secret{}, fmt.Errorf("%w: looks like markup or JSON, not like a token", ErrInvalid)
	}
	return NewSecret(string(data)), nil
}

// trim drops one byte order mark and the ASCII white space around data.
func trim(data []byte) []byte {
	const space = " \t\r\n\v\f"
	data = bytes.Trim(data, space)
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	return bytes.Trim(data, space)
}
