package source

import "github.com/rollingkeys/rollingkeys/source/internal/field"

// MaxSize is the most that a source reads of one secret or document: 64 KiB.
const MaxSize = field.MaxSize

// A Decoder makes a set of the bytes that a source read. Its errors wrap
// [ErrInvalid] and hold nothing of the data.
type Decoder func(data []byte) (Set, error)

// Plain decodes one token: visible ASCII, nothing else. White space around it
// and one byte order mark before it are dropped (F18); anything else that no
// header could carry, a CR in the middle, a PEM block, an HTML page, is an
// error (F19, F20).
func Plain(data []byte) (Set, error) { return one(field.Token(data)) }

// PEM decodes one secret in PEM form (RFC 7468), such as a private key. The
// text is kept as it is but for the white space around it.
func PEM(data []byte) (Set, error) { return one(field.PEM(data)) }

// one returns the set of one key that is text alone.
func one(text string, err error) (Set, error) {
	if err != nil {
		return Set{}, err
	}
	return Set{Keys: []Key{{Secret: NewSecret(text)}}}, nil
}
