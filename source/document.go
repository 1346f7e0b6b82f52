package source

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rollingkeys/rollingkeys/source/internal/field"
)

// DocumentSchema is the JSON Schema (draft 2020-12) of the key document.
//
//go:embed document.schema.json
var DocumentSchema []byte

type document struct {
	Keys []documentKey `json:"keys"`
}

type documentKey struct {
	Version   string            `json:"version"`
	ID        string            `json:"id,omitempty"`
	Secret    string            `json:"secret,omitempty"`
	Extra     map[string]string `json:"extra,omitempty"`
	CreatedAt time.Time         `json:"created_at,omitzero"`
	NotBefore time.Time         `json:"not_before,omitzero"`
	ExpiresAt time.Time         `json:"expires_at,omitzero"`
	Scopes    []string          `json:"scopes,omitempty"`
	Metadata  map[string]string `json:"metadata,omitempty"`
	Status    string            `json:"status,omitempty"`
}

// Document decodes the key document, the one JSON format that file, remote,
// mock and examples share:
//
//	{"keys": [
//	  {"version": "v2", "id": "k-2", "secret": "...", "not_before": "2026-11-23T12:00:00Z"},
//	  {"version": "v1", "id": "k-1", "secret": "...", "expires_at": "2026-11-24T12:00:00Z"}
//	]}
//
// newest first; every key has a version of its own and, unless it is pending
// or revoked, a secret. "status" is "active" (the default), "pending" (not
// served yet: left out) or "revoked" (goes to Set.Revoked). Times are RFC 3339.
// The set is Complete. A document that is empty, cut short, not UTF-8, or that
// has an unknown, doubled or wrongly spelt field, or [redacted] for a secret, is
// refused whole (F82, F83, F94).
func Document(data []byte) (Set, error) {
	if len(data) > MaxSize {
		return Set{}, fmt.Errorf("%w: longer than %d bytes", ErrInvalid, MaxSize)
	}
	data = field.Trim(data)
	if len(data) == 0 {
		return Set{}, fmt.Errorf("%w: empty", ErrInvalid)
	}
	if !utf8.Valid(data) {
		return Set{}, fmt.Errorf("%w: not UTF-8", ErrInvalid)
	}
	if err := checkNames(data); err != nil {
		return Set{}, err
	}
	var doc document
	if err := json.Unmarshal(data, &doc); err != nil {
		return Set{}, fmt.Errorf("%w: %s", ErrInvalid, describe(err))
	}
	set := Set{Complete: true}
	seen := make(map[string]bool)
	for i, d := range doc.Keys {
		at := fmt.Sprintf("key %d", i+1)
		if d.Version == "" || strings.ContainsFunc(d.Version, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return Set{}, fmt.Errorf("%w: %s: no version, or one with control characters", ErrInvalid, at)
		}
		if seen[d.Version] {
			return Set{}, fmt.Errorf("%w: %s: its version is listed twice", ErrInvalid, at)
		}
		seen[d.Version] = true
		switch d.Status {
		case "", "active":
		case "pending":
			continue
		case "revoked":
			set.Revoked = append(set.Revoked, d.Version)
			continue
		default:
			return Set{}, fmt.Errorf("%w: %s: status is none of active, pending, revoked", ErrInvalid, at)
		}
		key := d.key()
		if key.Secret.IsZero() {
			return Set{}, fmt.Errorf("%w: %s: no secret", ErrInvalid, at)
		}
		// F94: what json.Marshal makes of a Key is not the key.
		if d.Secret == redacted || slices.Contains(slices.Collect(maps.Values(d.Extra)), redacted) {
			return Set{}, fmt.Errorf("%w: %s: a secret is %s", ErrInvalid, at, redacted)
		}
		if !key.ExpiresAt.IsZero() && key.ExpiresAt.Before(key.NotBefore) {
			return Set{}, fmt.Errorf("%w: %s: expires before it may be used", ErrInvalid, at)
		}
		set.Keys = append(set.Keys, key)
	}
	if len(set.Keys) == 0 && len(set.Revoked) == 0 {
		return Set{}, fmt.Errorf("%w: lists no key", ErrInvalid)
	}
	return set, nil
}

// EncodeDocument writes the key document for set, secrets and all: for servers
// that hand keys out, and for caches. AsOf, FreshFor and Warnings are not part of it.
func EncodeDocument(set Set) ([]byte, error) {
	doc := document{Keys: []documentKey{}}
	revoked := make(map[string]bool)
	for _, v := range set.Revoked {
		revoked[v] = true
		doc.Keys = append(doc.Keys, documentKey{Version: v, Status: "revoked"})
	}
	for _, k := range set.Keys {
		if !revoked[k.Version] {
			doc.Keys = append(doc.Keys, encodeKey(k))
		}
	}
	return json.MarshalIndent(doc, "", "  ")
}

func encodeKey(k Key) documentKey {
	d := documentKey{
		Version: k.Version, ID: k.ID, Secret: k.Secret.Expose(),
		CreatedAt: k.CreatedAt, NotBefore: k.NotBefore, ExpiresAt: k.ExpiresAt,
		Scopes: k.Scopes, Metadata: k.Metadata,
	}
	for name, value := range k.Extra {
		if d.Extra == nil {
			d.Extra = make(map[string]string)
		}
		d.Extra[name] = value.Expose()
	}
	return d
}

// key is what encodeKey wrote.
func (d documentKey) key() Key {
	k := Key{
		Version: d.Version, ID: d.ID, Secret: NewSecret(d.Secret),
		CreatedAt: d.CreatedAt, NotBefore: d.NotBefore, ExpiresAt: d.ExpiresAt,
		Scopes: d.Scopes, Metadata: d.Metadata,
	}
	for name, value := range d.Extra {
		if k.Extra == nil {
			k.Extra = make(map[string]Secret)
		}
		k.Extra[name] = NewSecret(value)
	}
	return k
}

// describe says what is wrong with JSON without quoting any of it: the
// decoder's own words may hold a value.
func describe(err error) string {
	var syntax *json.SyntaxError
	var typ *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Sprintf("not JSON at byte %d", syntax.Offset)
	case errors.As(err, &typ):
		return fmt.Sprintf("wrong type at byte %d", typ.Offset)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "cut short"
	default:
		return "not a key document"
	}
}

var keyFields = map[string]bool{
	"version": true, "id": true, "secret": true, "extra": true, "created_at": true, "not_before": true,
	"expires_at": true, "scopes": true, "metadata": true, "status": true,
}

// checkNames refuses what encoding/json lets pass: a name that stands twice in
// one object, of which the last would silently win, names that the format does
// not have, and text after the document.
func checkNames(data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	if err := checkValue(dec, 0); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return fmt.Errorf("%w: text after the document", ErrInvalid)
	}
	return nil
}

func checkValue(dec *json.Decoder, depth int) error {
	if depth > 8 {
		return fmt.Errorf("%w: nested too deep", ErrInvalid)
	}
	tok, err := dec.Token()
	if err != nil {
		return fmt.Errorf("%w: %s", ErrInvalid, describe(err))
	}
	delim, ok := tok.(json.Delim)
	if !ok {
		return nil
	}
	seen := make(map[string]bool)
	for dec.More() {
		if delim == '{' {
			tok, err := dec.Token()
			if err != nil {
				return fmt.Errorf("%w: %s", ErrInvalid, describe(err))
			}
			field, _ := tok.(string)
			if seen[field] {
				return fmt.Errorf("%w: a field stands twice at byte %d", ErrInvalid, dec.InputOffset())
			}
			seen[field] = true
			// Depth 0 is the document, depth 2 a key; encoding/json would match
			// their fields whatever the letter case.
			if depth == 0 && field != "keys" || depth == 2 && !keyFields[field] {
				return fmt.Errorf("%w: unknown field", ErrInvalid)
			}
		}
		if err := checkValue(dec, depth+1); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil {
		return fmt.Errorf("%w: %s", ErrInvalid, describe(err))
	}
	return nil
}
