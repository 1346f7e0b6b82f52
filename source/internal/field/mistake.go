package field

import (
	"bytes"
	"regexp"
	"unicode"
	"unicode/utf8"
)

// mistake says what is wrong with data that is not what a field may be, and what to do about
// it. It names the mistake that people make most likely; it quotes nothing of data. want says
// what the field may be.
func mistake(data []byte, want string) string {
	switch {
	case bytes.Contains(data, begin):
		return "it has a PEM block, and is no token: decode it by source.PEM, or format=pem in a source string"
	case utf16(data):
		return "it is UTF-16 text: save it as UTF-8"
	case scheme.Match(data):
		return isCredentials
	case assignment.Match(data) && bytes.ContainsAny(data, " \n"):
		return "it looks like lines of NAME=VALUE: decode it by source.Dotenv, or format=dotenv in a source string"
	case !utf8.Valid(data):
		return "it is not text, or not in UTF-8: " + want
	case bytes.ContainsAny(data, "\r\n"):
		return "it has several lines: a token is one word, and a password one line. PEM, dotenv and JSON need their decoder, or format=pem, dotenv or json in a source string"
	case bytes.ContainsFunc(data, unicode.IsControl):
		return "it has a control character: " + want
	case bytes.ContainsAny(data, " "):
		return "it has a space in it: a token is one word of visible ASCII"
	}
	return "it has a character that is not ASCII, such as a typographic quote or an invisible space: " + want
}

const isCredentials = "it begins with the name of an authentication scheme: keep only the key, since the name is added to each request"

var (
	scheme = regexp.MustCompile(`^(?i:bearer|basic|token|apikey|api-key|digest) +[^ ]`)
	// credentials is a scheme with one long word: a passphrase such as "basic needs" is none.
	credentials = regexp.MustCompile(`^(?i:bearer|basic|token|apikey|api-key|digest) +[^ ]{12,}$`)
	assignment  = regexp.MustCompile(`^(?:#[^\n]*\n\s*)*(?:export +)?[A-Za-z_][A-Za-z0-9_]* *=`)
)

// utf16 reports whether data begins with a byte order mark of UTF-16, or every other byte of
// its beginning is zero, as in ASCII text that was saved as UTF-16.
func utf16(data []byte) bool {
	if bytes.HasPrefix(data, []byte{0xff, 0xfe}) || bytes.HasPrefix(data, []byte{0xfe, 0xff}) {
		return true
	}
	return len(data) >= 4 && (data[0] == 0) == (data[2] == 0) && (data[1] == 0) == (data[3] == 0) && (data[0] == 0) != (data[1] == 0)
}
