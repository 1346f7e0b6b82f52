// Package field checks the text of a key's field, which is a token or a PEM block. Package
// source imports it, so it cannot use source.Secret and returns plain text.
package field

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
)

// MaxSize is source.MaxSize.
const MaxSize = 64 << 10

// ErrNoKey and ErrInvalid are those of package source.
var (
	ErrNoKey   = errors.New("no key")
	ErrInvalid = errors.New("invalid")
)

// Token returns one token of visible ASCII without the white space around it. The errors of
// this package wrap [ErrInvalid] and quote nothing.
func Token(data []byte) (string, error) { return token(data, true) }

func token(data []byte, guess bool) (string, error) {
	data = Trim(data)
	if len(data) == 0 {
		return "", fmt.Errorf("%w: empty", ErrInvalid)
	}
	if len(data) > MaxSize {
		return "", fmt.Errorf("%w: longer than %d bytes", ErrInvalid, MaxSize)
	}
	if guess && closing[data[0]] != 0 {
		return "", fmt.Errorf("%w: it looks like markup or JSON, not like a token: a key document needs the decoder source.Document, or format=json in a source string; JSON of another form cannot be read", ErrInvalid)
	}
	for _, c := range data {
		if c <= ' ' || c > '~' {
			return "", fmt.Errorf("%w: %s", ErrInvalid, mistake(data))
		}
	}
	return string(data), nil
}

// PEM returns one PEM block (RFC 7468) without the white space around it. Other text in data is
// an error.
func PEM(data []byte) (string, error) {
	data = Trim(data)
	block, rest := pem.Decode(data)
	switch {
	case len(data) == 0:
		return "", fmt.Errorf("%w: empty", ErrInvalid)
	case block == nil || len(block.Bytes) == 0 || !bytes.HasPrefix(data, begin):
		return "", fmt.Errorf("%w: not a PEM block: want one that begins with -----BEGIN and ends with an -----END line", ErrInvalid)
	case len(Trim(rest)) > 0:
		return "", fmt.Errorf("%w: text after the PEM block: keep the one block", ErrInvalid)
	}
	return string(data), nil
}

var begin = []byte("-----BEGIN ")

// Value returns a secret or a passphrase that is the only content of its file, variable or
// field. It is a PEM block, as for [PEM], or visible ASCII. A passphrase may begin like
// markup or JSON, so Value refuses such a text only if it also ends like that. [Token] always
// refuses it.
func Value(data []byte) (string, error) {
	data = Trim(data)
	if bytes.HasPrefix(data, begin) {
		return PEM(data)
	}
	n := len(data)
	return token(data, n < 2 || data[n-1] == closing[data[0]])
}

var closing = map[byte]byte{'<': '>', '{': '}', '[': ']'}

// Trim drops one byte order mark and the ASCII white space around data.
func Trim(data []byte) []byte {
	const space = " \t\r\n\v\f"
	data = bytes.Trim(data, space)
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	return bytes.Trim(data, space)
}
