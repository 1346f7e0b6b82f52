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

// Headers sends a key whose parts travel in headers of their own. fields maps each
// header's name to the field of the key that is its value: "id" for ID, "secret" for
// Secret, and any other text for the entry of Extra with that name:
//
//	transport.Headers(map[string]string{
//		"DD-API-KEY":         "secret",
//		"DD-APPLICATION-KEY": "application-key", // source.Key.Extra["application-key"]
//	})
//
// All values are of one version: a source that lists the parts one by one has to
// publish them together. A key that lacks one of the fields, or has one that no
// header can carry, is unusable. So is every key where fields is empty, has no field
// for a header, or has one header twice. fields is copied.
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
	given string // as the API's documentation may spell it, and a caller after it
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
		return nil, fmt.Errorf("transport: %w: Headers was given no header", source.ErrUnusable)
	}
	seen := make(http.Header, len(s))
	for _, f := range s {
		if !header.ValidName(f.name) || f.field == "" || seen[f.name] != nil {
			return nil, fmt.Errorf("transport: %w: Headers was given %q twice, for no field, or as no header's name", source.ErrUnusable, f.given)
		}
		value := f.of(key)
		if value == "" {
			return nil, fmt.Errorf("transport: %w: it has no %q for %s", source.ErrUnusable, f.field, f.given)
		}
		if !header.ValidValue(value) { // F19
			return nil, fmt.Errorf("transport: %w: no header can carry its %q", source.ErrUnusable, f.field)
		}
		seen[f.name] = []string{value}
	}
	// Shared among all requests, as headerScheme's is: nobody can append to these.
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

// of returns the field's value in key; empty if key has no such field.
func (f headerField) of(key source.Key) string {
	switch f.field {
	case "id":
		return key.ID
	case "secret":
		return key.Secret.Expose()
	}
	return key.Extra[f.field].Expose()
}
