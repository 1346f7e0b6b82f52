package source

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rollingkeys/rollingkeys/source/internal/field"
	"github.com/rollingkeys/rollingkeys/source/internal/spell"
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
// A time may also be a number of seconds since 1970, or have the form of ISO 8601 without an
// offset: then it is taken as UTC, with a warning. A field that is null counts as missing, and so
// does a time that is empty. A secret that has -----BEGIN is decoded as by [PEM].
//
// Document ignores fields that it does not know. It refuses the whole document if it is empty,
// cut short, longer than [MaxSize] or not UTF-8, if a field is misspelt (another case, one letter
// off, "expires" for "expires_at") or repeated, or if a secret is one that [Plain] refuses as
// well, such as the text that a [Secret] prints.
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
	var whole json.RawMessage
	if err := json.Unmarshal(data, &whole); err != nil {
		return Set{}, misshapen(describe(data, err))
	}
	top, err := fields(data, []string{"keys"})
	if err != nil {
		return Set{}, misshapen(err.Error())
	}
	var keys []json.RawMessage
	if list, ok := top["keys"]; !ok {
		return Set{}, misshapen(`it has no field "keys"`)
	} else if json.Unmarshal(list, &keys) != nil {
		return Set{}, misshapen("its keys are not a list")
	}
	set := Set{Complete: true}
	seen := make(map[string]bool)
	for i, raw := range keys {
		at := fmt.Sprintf("key %d: ", i+1)
		key, status, err := documentKeyOf(raw, func(warning string) { set.Warnings = append(set.Warnings, errors.New(at+warning)) })
		if err != nil {
			return Set{}, misshapen(at + err.Error())
		}
		if key.Version == "" || strings.ContainsFunc(key.Version, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return Set{}, misshapen(at + "its version is missing or has control characters")
		}
		if seen[key.Version] {
			return Set{}, fmt.Errorf("%w: %sanother key has the same version", ErrInvalid, at)
		}
		seen[key.Version] = true
		switch status {
		case "", "active":
		case "pending":
			continue
		case "revoked":
			set.Revoked = append(set.Revoked, key.Version)
			continue
		default:
			return Set{}, fmt.Errorf("%w: %sits status is not active, pending or revoked", ErrInvalid, at)
		}
		if key.Secret.IsZero() {
			return Set{}, misshapen(at + "its secret is missing")
		}
		if err := checkTexts(&key); err != nil {
			return Set{}, fmt.Errorf("%w: %s%w", ErrInvalid, at, err)
		}
		if !key.ExpiresAt.IsZero() && key.ExpiresAt.Before(key.NotBefore) {
			return Set{}, fmt.Errorf("%w: %sits expires_at is before its not_before", ErrInvalid, at)
		}
		set.Keys = append(set.Keys, key)
	}
	if len(set.Keys) == 0 && len(set.Revoked) == 0 {
		return Set{}, misshapen("it lists no key")
	}
	return set, nil
}

// checkTexts checks the secret fields of key, and decodes the secret if it is in PEM. Other
// texts stay as the document has them.
func checkTexts(key *Key) error {
	text := key.Secret.Expose()
	if strings.Contains(text, "-----BEGIN") {
		pem, err := field.PEM([]byte(text))
		if err != nil {
			return fmt.Errorf("its secret: %w", err)
		}
		key.Secret = NewSecret(pem)
	} else if what := field.Unfilled(text); what != "" { // F94, F147
		return fmt.Errorf("its secret looks like %s", what)
	}
	if key.ID != "" {
		if _, err := field.ID([]byte(key.ID)); err != nil {
			return fmt.Errorf("its id: %w", err)
		}
	}
	for _, value := range key.Extra {
		if value.Equal(NewSecret(redacted)) { // F94: json.Marshal of a Key writes it in place of each secret
			return fmt.Errorf("it has %s in place of a secret", redacted)
		}
	}
	return nil
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

// documentKeyOf decodes one key and its status. It calls warn for what it takes nevertheless.
func documentKeyOf(data []byte, warn func(string)) (key Key, status string, err error) {
	raw, err := fields(data, keyFields)
	if err != nil {
		return Key{}, "", err
	}
	var secret string
	var extra map[string]string
	for _, f := range []struct {
		name string
		to   any
		want string
	}{
		{"version", &key.Version, "a text in quotes"}, {"id", &key.ID, "a text in quotes"}, {"secret", &secret, "a text in quotes"},
		{"status", &status, "a text in quotes"}, {"scopes", &key.Scopes, "a list of texts"},
		{"extra", &extra, "an object of texts"}, {"metadata", &key.Metadata, "an object of texts"},
	} {
		value, ok := raw[f.name]
		if !ok {
			continue
		}
		if json.Unmarshal(value, f.to) != nil {
			return Key{}, "", fmt.Errorf("its %s is not %s", f.name, f.want)
		}
		if value[0] == '{' {
			if _, err := fields(value, nil); err != nil {
				return Key{}, "", fmt.Errorf("its %s: %w", f.name, err)
			}
		}
	}
	for _, f := range []struct {
		name string
		to   *time.Time
	}{{"created_at", &key.CreatedAt}, {"not_before", &key.NotBefore}, {"expires_at", &key.ExpiresAt}} {
		text := string(raw[f.name])
		_ = json.Unmarshal(raw[f.name], &text) // a number stays as it is
		if text = strings.TrimSpace(text); text == "" || text == "null" {
			continue
		}
		t, naive, ok := field.Time(text)
		if !ok {
			return Key{}, "", fmt.Errorf("its %s %s", f.name, field.NotATime)
		}
		if *f.to = t; naive {
			warn("its " + f.name + " " + field.Naive)
		}
	}
	key.Secret = NewSecret(secret)
	for name, value := range extra {
		if key.Extra == nil {
			key.Extra = make(map[string]Secret)
		}
		key.Extra[name] = NewSecret(value)
	}
	return key, status, nil
}

var keyFields = []string{"version", "id", "secret", "extra", "created_at", "not_before", "expires_at", "scopes", "metadata", "status"}

// fields returns the fields of a JSON object, which is valid JSON. It refuses what encoding/json
// accepts: a known name that is repeated, of which the last value would silently win, and one that
// is misspelt, which would be ignored or, in another case, taken. Other names are somebody else's
// (F155). If known is nil, each name is known.
func fields(data []byte, known []string) (map[string]json.RawMessage, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	if start, err := dec.Token(); err != nil || start != json.Delim('{') {
		return nil, errors.New("it is not an object")
	}
	found := make(map[string]json.RawMessage)
	for dec.More() {
		token, err := dec.Token()
		name, ok := token.(string)
		var value json.RawMessage
		if err != nil || !ok || dec.Decode(&value) != nil {
			return nil, errors.New("the JSON is not valid")
		}
		if meant := spell.Meant(name, known); meant != "" {
			return nil, fmt.Errorf("a field is misspelt: want %q", meant)
		}
		if _, twice := found[name]; twice && known == nil {
			return nil, errors.New("a name is repeated")
		} else if twice && slices.Contains(known, name) {
			return nil, fmt.Errorf("its %s is repeated", name)
		}
		found[name] = value
	}
	return found, nil
}

// describe says what is wrong with the JSON in data. It does not use the decoder's own
// text, which may quote a value.
func describe(data []byte, err error) string {
	syntax, ok := errors.AsType[*json.SyntaxError](err)
	switch {
	case !ok:
		return "it is no key document"
	case syntax.Offset >= int64(len(data)):
		return "the JSON is cut short"
	}
	return fmt.Sprintf("the JSON is not valid in line %d", 1+bytes.Count(data[:syntax.Offset], []byte("\n")))
}
