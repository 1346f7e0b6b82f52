// Package header says which texts a header's name and value can be, and finds the
// credential in a value.
package header

import "strings"

// ValidName reports whether s can be a header's name: a token (RFC 9110 section 5.6.2).
func ValidName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r > '~' || !tokenChar(byte(r))
	})
}

// ValidValue reports whether s can be a header's value: visible ASCII, with spaces only
// inside (F19). net/http refuses each request with another value; HTTP/2 might not.
func ValidValue(s string) bool {
	return s != "" && s == strings.TrimSpace(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

// EqualFold compares names of headers, which are ASCII, without regard to case.
func EqualFold(a, b string) bool {
	return len(a) == len(b) && strings.EqualFold(a, b)
}
