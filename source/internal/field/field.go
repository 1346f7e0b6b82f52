// Package field checks the text of a key's field, such as a token, a password or a PEM block.
// Package source imports it, so it cannot use source.Secret and returns plain text. Its errors
// wrap [ErrInvalid] and quote nothing.
package field

import (
	"bytes"
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"
)

// MaxSize is source.MaxSize.
const MaxSize = 64 << 10

// ErrNoKey and ErrInvalid are those of package source.
var (
	ErrNoKey   = errors.New("no key")
	ErrInvalid = errors.New("invalid")
)

// Token returns one token of visible ASCII without the white space around it. It refuses text
// that looks like markup or JSON, and what [Unfilled] recognizes.
func Token(data []byte) (string, error) {
	data, err := trimmed(data)
	if err != nil {
		return "", err
	}
	if err := unfilled(data); err != nil {
		return "", err
	}
	if bytes.IndexByte([]byte("<{["), data[0]) >= 0 {
		return "", errDocument
	}
	if bytes.Contains(data, begin) || bytes.ContainsFunc(data, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", fmt.Errorf("%w: %s", ErrInvalid, mistake(data, "a token consists of visible ASCII"))
	}
	return string(data), nil
}

// Secret returns a secret that is the only content of its file, variable or field, without the
// white space around it. It is a PEM block, as for [PEM], or any text in UTF-8 without control
// characters, since a password may have spaces, brackets and letters of any language (F153): the
// scheme refuses what a request cannot carry. Text that is a document, a header's value with
// the name of its scheme, or that [Unfilled] recognizes, is an error.
func Secret(data []byte) (string, error) {
	if bytes.Contains(data, begin) {
		return PEM(data)
	}
	text, err := ID(data)
	if err == nil && credentials.MatchString(text) {
		return "", fmt.Errorf("%w: %s", ErrInvalid, isCredentials)
	}
	return text, err
}

// ID returns the public half of a pair. It is text as for [Secret], but no PEM block.
func ID(data []byte) (string, error) {
	data, err := trimmed(data)
	if err != nil {
		return "", err
	}
	if err := unfilled(data); err != nil {
		return "", err
	}
	if isDocument(data) {
		return "", errDocument
	}
	return printable(data)
}

// Passphrase returns a passphrase. It is a PEM block, as for [PEM], or any text in UTF-8 without
// control characters. People choose passphrases, so one may look like anything but the text that
// a source.Secret prints (F94).
func Passphrase(data []byte) (string, error) {
	if bytes.Contains(data, begin) {
		return PEM(data)
	}
	data, err := trimmed(data)
	if err != nil {
		return "", err
	}
	if string(data) == redacted {
		return "", unfilled(data)
	}
	return printable(data)
}

// printable returns data, which must be UTF-8 without control characters.
func printable(data []byte) (string, error) {
	if !utf8.Valid(data) || bytes.ContainsFunc(data, unicode.IsControl) || bytes.Contains(data, begin) {
		return "", fmt.Errorf("%w: %s", ErrInvalid, mistake(data, "it may be any text in UTF-8 without control characters"))
	}
	return string(data), nil
}

// trimmed returns data without the white space around it. It is an error if data is empty or
// too long.
func trimmed(data []byte) ([]byte, error) {
	data = Trim(data)
	switch {
	case len(data) == 0:
		return nil, fmt.Errorf("%w: empty", ErrInvalid)
	case len(data) > MaxSize:
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrInvalid, MaxSize)
	}
	return data, nil
}

// Trim drops one byte order mark and the ASCII white space around data.
func Trim(data []byte) []byte {
	const space = " \t\r\n\v\f"
	data = bytes.Trim(data, space)
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	return bytes.Trim(data, space)
}
