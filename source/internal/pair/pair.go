// Package pair makes a key from several fields: an ID, a secret and a passphrase.
package pair

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/decode"
	"github.com/rollingkeys/rollingkeys/source/internal/field"
	"github.com/rollingkeys/rollingkeys/source/internal/param"
)

// Names are the names of the fields. A field whose ID or Passphrase is empty is not read. An
// empty Secret means "secret". Only the passphrase may be missing from the data.
type Names struct{ ID, Secret, Passphrase string }

// Key returns a set with the key that the named fields make. It ignores other fields. Its errors
// wrap [source.ErrInvalid] and quote no value.
func (n Names) Key(fields map[string][]byte) (source.Set, error) {
	secret := cmp.Or(n.Secret, "secret")
	var found field.Pair
	for _, f := range []struct {
		name  string
		text  *string
		check func([]byte) (string, error)
	}{{n.ID, &found.ID, field.ID}, {secret, &found.Secret, field.Secret}, {n.Passphrase, &found.Passphrase, field.Passphrase}} {
		text, ok := fields[f.name]
		switch {
		case f.name == "", !ok && f.text == &found.Passphrase:
			continue
		case !ok:
			return source.Set{}, fmt.Errorf("%w: field %q is missing", source.ErrInvalid, f.name)
		case len(text) > source.MaxSize:
			return source.Set{}, fmt.Errorf("field %q: %w", f.name, decode.ErrTooLong)
		}
		var err error
		if *f.text, err = f.check(text); err != nil {
			return source.Set{}, fmt.Errorf("field %q: %w", f.name, err)
		}
	}
	return source.Set{Keys: []source.Key{Key(found)}}, nil
}

// Key returns p as a key.
func Key(p field.Pair) source.Key {
	key := source.Key{ID: p.ID, Secret: source.NewSecret(p.Secret)}
	if p.Passphrase != "" {
		key.Extra = map[string]source.Secret{"passphrase": source.NewSecret(p.Passphrase)}
	}
	return key
}

// Params deletes id, secret and passphrase, which name fields, from the parameters of a source
// string. It reports whether query had one of them. It is an error if query has format as well.
func Params(query url.Values) (names Names, named bool, err error) {
	named = query.Has("id") || query.Has("secret") || query.Has("passphrase")
	if named && query.Has("format") {
		return Names{}, false, errors.New("format cannot be combined with id, secret and passphrase")
	}
	values, err := param.Some(query, "id", "secret", "passphrase")
	return Names{values["id"], values["secret"], values["passphrase"]}, named, err
}

// Decoder returns the decoder that the parameters of a source string name, and deletes them from
// query. With the parameters of [Params] it is [Names.JSON], and else that of [param.Decoder].
func Decoder(query url.Values) (source.Decoder, error) {
	names, named, err := Params(query)
	switch {
	case err != nil:
		return nil, err
	case named:
		return names.JSON, nil
	}
	return param.Decoder(query)
}
