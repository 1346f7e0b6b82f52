// Package query reads and removes parameters of queries and of form bodies.
package query

import (
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// FormType is the media type of a form.
const FormType = "application/x-www-form-urlencoded"

// IsForm reports whether Content-Type says that the body is a form. The name of the
// header may have any case.
func IsForm(h http.Header) bool {
	for name, values := range h {
		if len(values) > 0 && strings.EqualFold(name, "Content-Type") {
			kind, _, _ := strings.Cut(values[0], ";")
			return strings.EqualFold(strings.TrimSpace(kind), FormType)
		}
	}
	return false
}

// Without returns a query, or the body of a form, without the named parameters. The
// others stay unchanged and in their order. A ";" separates parameters like "&", since
// some servers read it so.
func Without(query string, names ...string) string {
	var kept strings.Builder
	for before, pair := range pairs(query) {
		if name, _ := split(pair); !slices.Contains(names, name) {
			if kept.Len() > 0 || before != "" && pair == "" {
				kept.WriteString(before)
			}
			kept.WriteString(pair)
		}
	}
	return kept.String()
}

// Values yields the names and values of a query or of the body of a form, decoded. A
// name or value that cannot be decoded is yielded unchanged: a server may accept it.
func Values(query string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, pair := range pairs(query) {
			if pair != "" && !yield(split(pair)) {
				return
			}
		}
	}
}

// ASCII returns a query or a form with each byte from 0x80 on percent-encoded. The rest,
// escapes among it, stays unchanged.
func ASCII(text string) string {
	const hex = "0123456789ABCDEF"
	more := 0
	for i := range len(text) {
		if text[i] >= 0x80 {
			more += 2
		}
	}
	if more == 0 {
		return text
	}
	var b strings.Builder
	b.Grow(len(text) + more)
	for i := range len(text) {
		if c := text[i]; c < 0x80 {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
	return b.String()
}

// pairs yields the parameters, each with the separator before it.
func pairs(query string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for before := ""; ; {
			i := strings.IndexAny(query, "&;")
			if i < 0 {
				yield(before, query)
				return
			}
			if !yield(before, query[:i]) {
				return
			}
			before, query = query[i:i+1], query[i+1:]
		}
	}
}

func split(pair string) (name, value string) {
	name, value, _ = strings.Cut(pair, "=")
	if plain, err := url.QueryUnescape(name); err == nil {
		name = plain
	}
	if plain, err := url.QueryUnescape(value); err == nil {
		value = plain
	}
	return name, value
}
