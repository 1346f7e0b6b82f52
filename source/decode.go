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
//
// Plain and the other decoders of this package refuse a secret that a template which failed
// has written, such as null, ${API_KEY} or a token with its quotes, and one that only names or
// encrypts the secret, such as op://vault/item or ENC[...]. A passphrase may be such a text.
func Plain(data []byte) (Set, error) { return one(field.Token(data)) }

// PEM decodes one secret in PEM form (RFC 7468), such as a private key. The block may be on
// one line, with \n or spaces for the line breaks, in quotes, indented, and after other text.
// If data has several blocks, such as certificates, the secret is the one private key. Data
// without a block, with several private keys, with a block that is cut short, or with text after
// the last block is an error. The secret is the block without the text around it, in lines of 64
// characters.
//
// A secret of the other decoders may be a PEM block in all these forms, except for [Plain].
// Text that contains -----BEGIN is such a block or an error.
func PEM(data []byte) (Set, error) { return one(field.PEM(data)) }

// one returns a set with one key, whose Secret is text.
func one(text string, err error) (Set, error) {
	if err != nil {
		return Set{}, err
	}
	return Set{Keys: []Key{{Secret: NewSecret(text)}}}, nil
}
