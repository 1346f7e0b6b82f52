package transport

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/rollingkeys/rollingkeys/source"
)

// redact removes the secret from an error of the base that quotes the request, as a
// url.Error does (F57).
func redact(err error, key source.Key, values []string) error {
	text := err.Error()
	clean := scrub(text, key, values)
	if clean == text {
		return err
	}
	return &redactedError{clean, func() error { return err }}
}

// redactedError supports errors.Is and Timeout, but not Unwrap, which would return the
// secret.
type redactedError struct {
	text string
	err  func() error // F93: %#v does not reach into a function
}

func (e *redactedError) Error() string { return e.text }

func (e *redactedError) Is(target error) bool { return errors.Is(e.err(), target) }

func (e *redactedError) Timeout() bool {
	var t interface{ Timeout() bool }
	return errors.As(e.err(), &t) && t.Timeout()
}

// scrub replaces the key's secrets in text.
func scrub(text string, key source.Key, values []string) string {
	return hide(text, forms(append(parts(key), values...)...))
}

// parts returns the key's secrets.
func parts(key source.Key) []string {
	list := []string{key.Secret.Expose()}
	for _, s := range key.Extra {
		list = append(list, s.Expose())
	}
	return list
}

const (
	redacted   = "[redacted]"
	maxEscapes = 10 // how often a secret that hide finds may be percent-encoded
)

// forms returns what hide looks for: the secrets as they are, and quoted as by fmt.
func forms(secrets ...string) (list []string) {
	for _, s := range secrets {
		if s != "" {
			quoted := strconv.Quote(s)
			list = append(list, unplus(s), unplus(quoted[1:len(quoted)-1]))
		}
	}
	return list
}

// hide replaces the forms of secrets in text, also percent-encoded up to maxEscapes times,
// as in a URL within a URL (F173).
func hide(text string, list []string) string {
	var hits [][2]int // from, to
	level, from := unplus(text), []int(nil)
	for range maxEscapes + 1 {
		at := func(i int) int { // the place in text of the byte i of level
			if from == nil {
				return i
			}
			return from[i]
		}
		for _, s := range list {
			for end := 0; ; {
				i := strings.Index(level[end:], s)
				if i < 0 {
					break
				}
				i, end = end+i, end+i+len(s)
				hits = append(hits, [2]int{at(i), at(end)})
			}
		}
		if !strings.Contains(level, "%") {
			break
		}
		level, from = unescape(level, at)
	}
	slices.SortFunc(hits, func(a, b [2]int) int { return cmp.Or(a[0]-b[0], a[1]-b[1]) })
	var clean strings.Builder
	end := 0
	for _, h := range hits {
		if h[0] >= end {
			clean.WriteString(text[end:h[0]])
			clean.WriteString(redacted)
		}
		end = max(end, h[1])
	}
	return clean.String() + text[end:]
}

// unplus makes a "+" equal to a space, as it is in a query.
func unplus(s string) string { return strings.ReplaceAll(s, "+", " ") }

// unescape decodes what is percent-encoded in level, once. It returns for each byte,
// and for the end, where it begins in the text that at refers to.
func unescape(level string, at func(int) int) (string, []int) {
	plain, from := make([]byte, 0, len(level)), make([]int, 0, len(level)+1)
	for i := 0; i < len(level); {
		c, n := level[i], 1
		if c == '%' && i+2 < len(level) {
			if x, err := strconv.ParseUint(level[i+1:i+3], 16, 8); err == nil {
				c, n = byte(x), 3
			}
		}
		plain, from = append(plain, c), append(from, at(i))
		i += n
	}
	return unplus(string(plain)), append(from, at(len(level)))
}
