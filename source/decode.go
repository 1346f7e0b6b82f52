package source

import "github.com/rollingkeys/rollingkeys/source/internal/field"

// MaxSize is the size in bytes of the longest secret or document that a source accepts: 64 KiB.
const MaxSize = field.MaxSize

// A Decoder decodes the bytes that a source read into a set. Its errors wrap
// [ErrInvalid] and contain nothing of the data.
type Decoder func(data []byte) (Set, error)

// Plain decodes one token, which consists of visible ASCII. It drops the white space
// around the token and one byte order mark before it. It refuses anything else that
// a header cannot carry, such as a CR in the middle or a PEM block, and text that looks
// like markup or JSON.
func Plain(data []byte) (Set, error) { return one(field.Token(data)) }

// PEM decodes one secret in PEM form (RFC 7468), such as a private key. It drops the
// white space around the block and keeps the rest as it is. Data without a block, or with
// anything besides it, is an error.
func PEM(data []byte) (Set, error) { return one(field.PEM(data)) }

// one returns a set with one key, whose Secret is text.
func one(text string, err error) (Set, error) {
	if err != nil {
		return Set{}, err
	}
	return Set{Keys: []Key{{Secret: NewSecret(text)}}}, nil
}
