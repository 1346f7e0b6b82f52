package transport

import (
	"fmt"
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport/internal/header"
)

// Headers returns a scheme that sends the parts of a key in separate headers. fields
// maps the name of each header to the field of the key that is its value: "id" for ID,
// "secret" for Secret, any other text for that entry of Extra:
//
//	transport.Headers(map[string]string{
//		"DD-API-KEY":         "secret",
//		"DD-APPLICATION-KEY": "application-key", // source.Key.Extra["application-key"]
//	})
//
// All values come from one version, so the source must publish the parts together. A
// key is unusable if it lacks one of the fields or if a header cannot carry one of the
// values. Every key is unusable if fields is empty, maps a header to no field, or has a
// header twice. Headers copies fields.
func Headers(fields map[string]string) Scheme {
	s := make(headersScheme, 0, len(fields))
	for name, field := range fields {
		s = append(s, headerField{textproto.CanonicalMIMEHeaderKey(name), name, field})
	}
	slices.SortFunc(s, func(a, b headerField) int { return strings.Compare(a.given, b.given) })
	return s
}

type headersScheme []headerField

type headerField struct {
	name  string
	given string // as fields spells it; callers may spell it the same way
	field string
}

func (s headersScheme) Traits() (traits Traits) {
	for _, f := range s {
		traits.Headers = append(traits.Headers, f.given)
	}
	return traits
}

func (s headersScheme) Prepare(key source.Key) (Signer, error) {
	if len(s) == 0 {
		return nil, fmt.Errorf("transport: %w: Headers: fields is empty", source.ErrUnusable)
	}
	seen := make(http.Header, len(s))
	for _, f := range s {
		if !header.ValidName(f.name) || f.field == "" || seen[f.name] != nil {
			return nil, fmt.Errorf("transport: %w: Headers: the name %q is not valid, is given twice, or has no field", source.ErrUnusable, f.given)
		}
		value := f.of(key)
		if value == "" {
			return nil, fmt.Errorf("transport: %w: it has no %q for header %s", source.ErrUnusable, f.field, f.given)
		}
		if !header.ValidValue(value) { // F19
			return nil, fmt.Errorf("transport: %w: a header cannot carry its %q: want visible ASCII", source.ErrUnusable, f.field)
		}
		seen[f.name] = []string{value}
	}
	// All requests share these slices. Their capacity is their length, so an append copies.
	names, values := make([]string, 0, len(s)), make([][]string, 0, len(s))
	for _, f := range s {
		names, values = append(names, f.name), append(values, seen[f.name])
	}
	return SignerFunc(func(req *http.Request) error {
		for i, name := range names {
			req.Header[name] = values[i]
		}
		return nil
	}), nil
}

// of returns the field's value in key. It is empty if the key has no such field.
func (f headerField) of(key source.Key) string {
	switch f.field {
	case "id":
		return key.ID
	case "secret":
		return key.Secret.Expose()
	}
	return key.Extra[f.field].Expose()
}
