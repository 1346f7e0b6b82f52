package versions

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/decode"
)

// A Listed version is what a store's list says of one, without its value.
type Listed struct {
	// ID is what no other version ever has, whatever was deleted and made anew.
	ID string
	// Key has the version's name, and the dates and scopes that the store has for it.
	Key source.Key
}

// Values holds what the versions' values said, so that each is fetched once. The
// zero Values is empty. It is safe for concurrent use.
type Values struct {
	mu   sync.Mutex
	held map[string]value
}

type value struct {
	key source.Key // as fetch left it
	set source.Set
	err error
}

// Set makes a complete set of the listed versions, newest first. fetch returns
// the value of one; it may give the key a CreatedAt that only the value's answer
// tells. A version that is gone by then, which fetch says with [source.ErrNoKey],
// is left out; one whose value is no key is left out with a warning, and the good
// ones behind it stay in use (F92). Any other error of fetch's is Set's. Without
// any key the error is that of the newest version, or source.ErrNoKey.
//
// Of a value that is a key document, which lists all keys itself, the newest that
// may be used already is the whole answer, and each of its keys ends no later than
// its version does. One that may not be used yet takes out nothing so far. An
// older one never stands in for one that is bad or has expired: that would bring
// back what the newer one took out (F90).
func (v *Values) Set(list []Listed, decoder source.Decoder, fetch func(*source.Key) ([]byte, error)) (source.Set, error) {
	set := source.Set{Complete: true}
	now := time.Now()
	var bad error
	for i, l := range list {
		got, err := v.get(l, decoder, fetch)
		if errors.Is(err, source.ErrNoKey) {
			continue
		}
		if err != nil {
			return source.Set{}, err
		}
		switch {
		case got.err != nil:
			err := fmt.Errorf("version %q: %w", l.Key.Version, got.err)
			set.Warnings = append(set.Warnings, err)
			if bad == nil {
				bad = err
			}
		case got.set.Complete && now.Before(l.Key.NotBefore): // F92
		case got.set.Complete && len(set.Keys) == 0 && bad == nil:
			v.keep(list[:i+1])
			return whole(got.set, l.Key, now)
		case !got.set.Complete:
			key := got.set.Keys[0].Clone()
			key.Version, key.Scopes = l.Key.Version, slices.Clone(l.Key.Scopes)
			key.CreatedAt, key.NotBefore, key.ExpiresAt = l.Key.CreatedAt, l.Key.NotBefore, l.Key.ExpiresAt
			if key.CreatedAt.IsZero() {
				key.CreatedAt = got.key.CreatedAt
			}
			set.Keys = append(set.Keys, key)
		}
	}
	v.keep(list)
	switch {
	case len(set.Keys) > 0:
		return set, nil
	case bad != nil:
		return source.Set{}, bad
	}
	return source.Set{}, source.ErrNoKey
}

// whole returns a copy of the set that a version's value is, within the dates that
// the store has for the version.
func whole(set source.Set, about source.Key, now time.Time) (source.Set, error) {
	if !about.ExpiresAt.IsZero() && !now.Before(about.ExpiresAt) {
		return source.Set{}, fmt.Errorf("%w: version %q has expired", source.ErrNoKey, about.Version)
	}
	set = decode.Clone(set)
	for i := range set.Keys {
		if end := &set.Keys[i].ExpiresAt; !about.ExpiresAt.IsZero() && (end.IsZero() || about.ExpiresAt.Before(*end)) {
			*end = about.ExpiresAt
		}
	}
	return set, nil
}

// get returns the value of one version: the held one, or else what fetch brings.
func (v *Values) get(l Listed, decoder source.Decoder, fetch func(*source.Key) ([]byte, error)) (value, error) {
	v.mu.Lock()
	got, ok := v.held[l.ID]
	v.mu.Unlock()
	if ok {
		return got, nil
	}
	got.key = l.Key
	data, err := fetch(&got.key)
	if err != nil {
		return value{}, err
	}
	got.set, got.err = decode.Set(decoder, data)
	if got.err == nil && len(got.set.Keys) == 0 && !got.set.Complete {
		got.err = fmt.Errorf("%w: lists no key", source.ErrInvalid)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.held == nil {
		v.held = make(map[string]value)
	}
	v.held[l.ID] = got
	return got, nil
}

// keep drops what is held of versions that are not listed any more (F102).
func (v *Values) keep(list []Listed) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for id := range v.held {
		if !slices.ContainsFunc(list, func(l Listed) bool { return l.ID == id }) {
			delete(v.held, id)
		}
	}
}
