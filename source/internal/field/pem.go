package field

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"regexp"
	"strings"
)

// begin is how a PEM block begins. Text that contains it is a PEM block or an error, and never
// a token or a password (F144).
var begin = []byte("-----BEGIN")

// PEM returns the one private key in data as a PEM block (RFC 7468), or, if no block is a
// private key, the one block that data consists of. It accepts what tools make of a block:
//
//   - on one line, with \n or spaces for the line breaks, as variables and JSON force it
//   - in quotes
//   - with indented lines
//   - after other text (RFC 7468 section 5.2), such as the Bag Attributes of OpenSSL
//   - beside other blocks, such as EC PARAMETERS or certificates
//
// Text after the last block is an error: it may be the rest of a longer file that was there
// before. The result has lines of 64 characters, so that each form of one key is the same key.
func PEM(data []byte) (string, error) {
	data, err := trimmed(data)
	if err != nil {
		return "", err
	}
	var blocks, private []*pem.Block
	rest := lines(data)
	for {
		at := bytes.Index(rest, begin)
		if at < 0 {
			break
		}
		block, after := pem.Decode(rest[at:])
		// pem.Decode skips a broken block, and returns the next one.
		if block == nil || len(block.Bytes) == 0 || bytes.Count(rest[at:len(rest)-len(after)], begin) > 1 {
			return "", errNotPEM
		}
		blocks = append(blocks, block)
		if strings.HasSuffix(block.Type, "PRIVATE KEY") {
			private = append(private, block)
		}
		rest = after
	}
	switch {
	case len(blocks) == 0:
		return "", errNotPEM
	case len(Trim(rest)) > 0:
		return "", fmt.Errorf("%w: text after the PEM block: keep the one block", ErrInvalid)
	case len(private) == 1:
		blocks = private
	case len(blocks) > 1:
		return "", fmt.Errorf("%w: it has several PEM blocks, and not one private key among them: keep one block", ErrInvalid)
	}
	return strings.TrimSpace(string(pem.EncodeToMemory(blocks[0]))), nil
}

var errNotPEM = fmt.Errorf("%w: not a PEM block: want one that begins with -----BEGIN and ends with an -----END line", ErrInvalid)

// lines returns text with each boundary of a block on a line of its own, and without quotes
// around the whole. Base64 has no backslash, so that an escape is none of the block's own.
func lines(text []byte) []byte {
	if inner := unquoted(text); inner != nil {
		text = inner
	}
	text = escaped.ReplaceAll(text, []byte("\n"))
	text = oneLine.ReplaceAll(text, []byte("$1\n$2\n$3\n"))
	return indent.ReplaceAll(text, nil)
}

var (
	escaped = regexp.MustCompile(`(\\+r)?\\+n|\r\n`)
	oneLine = regexp.MustCompile(`(-----BEGIN [^-\n]+-----)([^-\n]+)(-----END [^-\n]+-----)`)
	indent  = regexp.MustCompile(`(?m)^[ \t]+|[ \t]+$`)
)

// unquoted returns text without the quotes around it, or nil if there are none.
func unquoted(text []byte) []byte {
	for _, quotes := range []string{`""`, `''`, "``", "“”", "‘’", "„“"} {
		left, right := quotes[:len(quotes)/2], quotes[len(quotes)/2:]
		if len(text) >= len(quotes) && bytes.HasPrefix(text, []byte(left)) && bytes.HasSuffix(text, []byte(right)) {
			return text[len(left) : len(text)-len(right)]
		}
	}
	return nil
}
