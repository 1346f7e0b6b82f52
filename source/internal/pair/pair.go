// Package pair makes one key of several fields: an id, a secret, a passphrase.
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

// Names are the names of the fields. An empty ID or Passphrase is not looked for,
// an empty Secret stands for "secret". Only the passphrase may be missing.
type Names struct{ ID, Secret, Passphrase string }

// Key makes a key of the fields; others among them are ignored. Its errors wrap
// [source.ErrInvalid] and quote nothing.
func (n Names) Key(fields map[string][]byte) (source.Set, error) {
	secret := cmp.Or(n.Secret, "secret")
	var found field.Pair
	for _, f := range []struct {
		name  string
		text  *string
		check func([]byte) (string, error)
	}{{n.ID, &found.ID, field.Token}, {secret, &found.Secret, field.Value}, {n.Passphrase, &found.Passphrase, field.Value}} {
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

// Key returns the key that a pair is.
func Key(p field.Pair) source.Key {
	key := source.Key{ID: p.ID, Secret: source.NewSecret(p.Secret)}
	if p.Passphrase != "" {
		key.Extra = map[string]source.Secret{"passphrase": source.NewSecret(p.Passphrase)}
	}
	return key
}

// Params takes id, secret and passphrase, which name fields, out of a source
// string. It reports whether there was one; format has no meaning beside them.
func Params(query url.Values) (names Names, named bool, err error) {
	named = query.Has("id") || query.Has("secret") || query.Has("passphrase")
	if named && query.Has("format") {
		return Names{}, false, errors.New("format has no meaning beside id, secret and passphrase")
	}
	values, err := param.Some(query, "id", "secret", "passphrase")
	return Names{values["id"], values["secret"], values["passphrase"]}, named, err
}

// Decoder takes out of a source string what says how a value is to be read: as
// [Params] has it, which makes a [Names.JSON], or else as [param.Decoder] has it.
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
