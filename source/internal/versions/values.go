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

// Listed is what a store lists of a version, without its value.
type Listed struct {
	// ID identifies the version. No other version ever has the same ID, not even after the
	// secret was deleted and created again.
	ID string
	// Key has the version's name, and the dates and scopes that the store has for it.
	Key source.Key
}

// Values remembers the values of versions, so that each is fetched once. The zero Values is
// empty. It is safe for concurrent use.
type Values struct {
	mu   sync.Mutex
	held map[string]value
}

type value struct {
	key source.Key // after fetch has changed it
	set source.Set
	err error
}

// Set makes a Complete set from the listed versions, newest first. It calls fetch for the
// value of each version that it does not know yet. fetch may set the key's CreatedAt, if the
// store says that only with the value. If fetch returns [source.ErrNoKey], the version no
// longer exists, and Set leaves it out. If the value is no key, Set leaves the version out
// with a warning, and the older versions stay usable (F92). Set returns any other error of
// fetch. If there is no key, the error is that of the newest version with a bad value, or
// [source.ErrNoKey].
//
// A value may be a key document, which lists all keys itself. Then the newest document whose
// version may be used already is the whole set, and its keys expire with the version at the
// latest. A document whose version may not be used yet has no effect. If the newest document
// is bad or has expired, Set does not use an older one: it may list keys that the newest has
// removed (F90).
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

// whole returns a copy of set, which is the value of a version. Its keys expire with the
// version at the latest.
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

// get returns the value of one version. It calls fetch if the value is not known yet.
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
		got.err = fmt.Errorf("%w: the value lists no key", source.ErrInvalid)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.held == nil {
		v.held = make(map[string]value)
	}
	v.held[l.ID] = got
	return got, nil
}

// keep forgets the values of versions that are not in list (F102).
func (v *Values) keep(list []Listed) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for id := range v.held {
		if !slices.ContainsFunc(list, func(l Listed) bool { return l.ID == id }) {
			delete(v.held, id)
		}
	}
}
