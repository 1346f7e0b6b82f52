package file

import (
	"errors"
	"fmt"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/mode"
)

// decodeAll makes the set of a reading.
func (s *Source) decodeAll(r reading) (source.Set, error) {
	var set source.Set
	var err error
	if s.dir {
		set, err = decodeFields(r)
	} else {
		set, err = s.decode([]byte(r[0].text.Expose()))
	}
	if err != nil {
		if !errors.Is(err, source.ErrInvalid) {
			err = fmt.Errorf("%w: %w", source.ErrInvalid, err)
		}
		return source.Set{}, err
	}
	if len(set.Keys) == 0 && len(set.Revoked) == 0 {
		return source.Set{}, fmt.Errorf("%w: the data lists none", source.ErrNoKey)
	}
	// The first key only: a second one with the same time would share its version.
	if len(set.Keys) > 0 && set.Keys[0].Version == "" && set.Keys[0].CreatedAt.IsZero() {
		for _, p := range r {
			if !p.missing && p.info.ModTime().After(set.Keys[0].CreatedAt) {
				set.Keys[0].CreatedAt = p.info.ModTime()
			}
		}
	}
	if set.FreshFor == 0 {
		set.FreshFor = freshFor
	}
	return set, nil
}

// decodeFields makes one key of a directory's files.
func decodeFields(r reading) (source.Set, error) {
	var key source.Key
	for _, p := range r {
		if p.missing {
			continue
		}
		data := []byte(p.text.Expose())
		var err error
		switch p.role {
		case roleID:
			var id source.Secret
			id, err = source.Token(data)
			key.ID = id.Expose()
		case roleSecret:
			key.Secret, err = source.Field(data)
		case rolePassphrase:
			key.Extra = make(map[string]source.Secret)
			key.Extra["passphrase"], err = source.Field(data)
		}
		if err != nil {
			return source.Set{}, fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return source.Set{Keys: []source.Key{key}}, nil
}

// tooOpen lists the files whose mode lets others do too much (F24).
func (r reading) tooOpen(strict bool) []error {
	var found []error
	for _, p := range r {
		if p.missing {
			continue
		}
		at := ""
		if p.name != "" {
			at = p.name + ": "
		}
		switch perm := mode.Perm(p.info); {
		case perm&0o022 != 0:
			found = append(found, fmt.Errorf("%smode %#o lets others than the owner write", at, perm))
		case strict && perm&0o007 != 0:
			found = append(found, fmt.Errorf("%smode %#o lets everybody read", at, perm))
		}
	}
	return found
}
