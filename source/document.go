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

// DocumentSchema is the JSON Schema (draft 2020-12) of the key document, which [Document]
// decodes.
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

// Document decodes the key document, the JSON format in which a file, an endpoint or a
// store can list several keys:
//
//	{"keys": [
//	  {"version": "v2", "id": "k-2", "secret": "...", "not_before": "2026-11-23T12:00:00Z"},
//	  {"version": "v1", "id": "k-1", "secret": "...", "expires_at": "2026-11-24T12:00:00Z"}
//	]}
//
// The newest key comes first. Each key needs a version that no other key has. Its
// "status" is "active" (the default), "pending" or "revoked". An active key needs a
// secret. A pending key is left out of the set. The version of a revoked key is listed in
// [Set.Revoked]. Times have the format of RFC 3339. The set is Complete.
//
// Document refuses the whole document if it is empty, cut short, longer than [MaxSize] or
// not UTF-8, if a field is unknown, misspelt or repeated, or if a secret is the text that
// a [Secret] prints.
func Document(data []byte) (Set, error) {
	if len(data) > MaxSize {
		return Set{}, fmt.Errorf("%w: longer than %d bytes", ErrInvalid, MaxSize)
	}
	data = field.Trim(data)
	if len(data) == 0 {
		return Set{}, misshapen("empty")
	}
	if !utf8.Valid(data) {
		return Set{}, fmt.Errorf("%w: not UTF-8", ErrInvalid)
	}
	if err := checkNames(data); err != nil {
		return Set{}, err
	}
	var doc document
	if err := json.Unmarshal(data, &doc); err != nil {
		return Set{}, misshapen(describe(data, err))
	}
	set := Set{Complete: true}
	seen := make(map[string]bool)
	for i, d := range doc.Keys {
		at := fmt.Sprintf("key %d", i+1)
		if d.Version == "" || strings.ContainsFunc(d.Version, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return Set{}, misshapen(at + ": its version is missing or has control characters")
		}
		if seen[d.Version] {
			return Set{}, fmt.Errorf("%w: %s: another key has the same version", ErrInvalid, at)
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
			return Set{}, fmt.Errorf("%w: %s: its status is not active, pending or revoked", ErrInvalid, at)
		}
		key := d.key()
		if key.Secret.IsZero() {
			return Set{}, misshapen(at + ": its secret is missing")
		}
		// F94: json.Marshal of a Key writes [redacted] in place of each secret.
		if d.Secret == redacted || slices.Contains(slices.Collect(maps.Values(d.Extra)), redacted) {
			return Set{}, fmt.Errorf("%w: %s: it has %s in place of a secret", ErrInvalid, at, redacted)
		}
		if !key.ExpiresAt.IsZero() && key.ExpiresAt.Before(key.NotBefore) {
			return Set{}, fmt.Errorf("%w: %s: its expires_at is before its not_before", ErrInvalid, at)
		}
		set.Keys = append(set.Keys, key)
	}
	if len(set.Keys) == 0 && len(set.Revoked) == 0 {
		return Set{}, misshapen("it lists no key")
	}
	return set, nil
}

// misshapen returns an error that says what a key document looks like.
func misshapen(what string) error {
	return fmt.Errorf(`%w: %s: a key document looks like {"keys":[{"version":"v1","id":"...","secret":"..."}]}`, ErrInvalid, what)
}

// EncodeDocument returns the key document of set, for servers that serve keys and for
// caches. It contains the secrets in plain text, and times in UTC. It does not contain AsOf, FreshFor,
// Warnings, and the keys' ReplacedAt. The error is that of [json.Marshal].
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
		CreatedAt: k.CreatedAt.UTC(), NotBefore: k.NotBefore.UTC(), ExpiresAt: k.ExpiresAt.UTC(),
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

// key is the reverse of encodeKey.
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

// describe says what is wrong with the JSON in data. It does not use the decoder's own
// text, which may quote a value.
func describe(data []byte, err error) string {
	var syntax *json.SyntaxError
	var typ *json.UnmarshalTypeError
	line := func(offset int64) int { return 1 + bytes.Count(data[:min(offset, int64(len(data)))], []byte("\n")) }
	switch {
	case errors.As(err, &syntax) && syntax.Offset >= int64(len(data)), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return "the JSON is cut short"
	case errors.As(err, &syntax):
		return fmt.Sprintf("the JSON is not valid in line %d", line(syntax.Offset))
	case errors.As(err, &typ):
		if name := typ.Field[strings.LastIndexByte(typ.Field, '.')+1:]; keyFields[name] || name == "keys" {
			return fmt.Sprintf("%s in line %d has a value of another type", name, line(typ.Offset))
		}
		return fmt.Sprintf("a value in line %d has another type", line(typ.Offset))
	}
	if at := badTime(data); at != "" {
		return at + " is not a time in the form of RFC 3339, such as 2026-11-23T12:00:00Z"
	}
	return "it is no key document"
}

// badTime returns the place of the first time in a document that does not have the form of
// RFC 3339, or "".
func badTime(data []byte) string {
	var doc struct{ Keys []map[string]json.RawMessage }
	if json.Unmarshal(data, &doc) != nil {
		return ""
	}
	for i, key := range doc.Keys {
		for _, name := range []string{"created_at", "not_before", "expires_at"} {
			var t time.Time
			if raw, ok := key[name]; ok && json.Unmarshal(raw, &t) != nil {
				return fmt.Sprintf("key %d: its %s", i+1, name)
			}
		}
	}
	return ""
}

var keyFields = map[string]bool{
	"version": true, "id": true, "secret": true, "extra": true, "created_at": true, "not_before": true,
	"expires_at": true, "scopes": true, "metadata": true, "status": true,
}

// checkNames refuses what encoding/json accepts: a repeated name, of which the last value
// would silently win, a name that the format does not have, and text after the document.
func checkNames(data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	if err := checkValue(dec, data, 0); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return fmt.Errorf("%w: text after the document", ErrInvalid)
	}
	return nil
}

func checkValue(dec *json.Decoder, data []byte, depth int) error {
	if depth > 8 {
		return fmt.Errorf("%w: nested too deeply", ErrInvalid)
	}
	tok, err := dec.Token()
	if err != nil {
		return misshapen(describe(data, err))
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
				return misshapen(describe(data, err))
			}
			field, _ := tok.(string)
			if seen[field] {
				return fmt.Errorf("%w: a field in line %d is repeated", ErrInvalid, 1+bytes.Count(data[:dec.InputOffset()], []byte("\n")))
			}
			seen[field] = true
			// Depth 0 is the document, depth 2 a key. encoding/json ignores the letter
			// case of their fields.
			if depth == 0 && field != "keys" || depth == 2 && !keyFields[field] {
				if depth == 0 {
					return misshapen(`it has another field than "keys"`)
				}
				return fmt.Errorf("%w: a key has an unknown field: the fields are %s", ErrInvalid, strings.Join(slices.Sorted(maps.Keys(keyFields)), ", "))
			}
		}
		if err := checkValue(dec, data, depth+1); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil {
		return misshapen(describe(data, err))
	}
	return nil
}
