package azure

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/rollingkeys/rollingkeys/source"
)

// A listed version is what the backend's list says of one, without its value.
type listed struct {
	id  string // no other version ever has it, whatever was deleted and made anew
	key source.Key
}

// values holds what the versions' values said, so that each is fetched once.
type values struct {
	mu   sync.Mutex
	held map[string]value
}

type value struct {
	key source.Key // as fetch left it
	set source.Set
	err error
}

// set makes a set of the listed versions, newest first. fetch returns the value
// of one; it may add to the key what only the value's answer tells. A version
// that is gone by then (source.ErrNoKey) is left out; one whose value is no key
// is left out with a warning, and the good ones behind it stay in use (F92).
//
// A value that lists all keys itself, a key document, is the answer if it is
// the newest; an older one never stands in for it, since that would bring back
// what the newer one took out (F90).
func (v *values) set(list []listed, decode source.Decoder, fetch func(*source.Key) ([]byte, error)) (source.Set, error) {
	set := source.Set{Complete: true}
	var bad error
	for i, l := range list {
		got, err := v.get(l, decode, fetch)
		if errors.Is(err, source.ErrNoKey) {
			continue
		}
		if err != nil {
			return source.Set{}, err
		}
		switch {
		case got.err != nil:
			err := fmt.Errorf("version %q: %w", l.key.Version, got.err)
			set.Warnings = append(set.Warnings, err)
			if bad == nil {
				bad = err
			}
		case got.set.Complete && len(set.Keys) == 0 && bad == nil:
			v.keep(list[:i+1])
			whole := got.set
			whole.Keys = slices.Clone(whole.Keys)
			return whole, nil
		case got.set.Complete && bad != nil:
			return source.Set{}, bad
		case got.set.Complete:
		default:
			key := got.set.Keys[0].Clone()
			key.Version, key.Scopes = l.key.Version, l.key.Scopes
			key.CreatedAt, key.NotBefore, key.ExpiresAt = l.key.CreatedAt, l.key.NotBefore, l.key.ExpiresAt
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

// get returns the value of one version: the held one, or else what fetch brings.
func (v *values) get(l listed, decode source.Decoder, fetch func(*source.Key) ([]byte, error)) (value, error) {
	v.mu.Lock()
	got, ok := v.held[l.id]
	v.mu.Unlock()
	if ok {
		return got, nil
	}
	got.key = l.key
	data, err := fetch(&got.key)
	if err != nil {
		return value{}, err
	}
	switch got.set, got.err = decode(data); {
	case got.err != nil && !errors.Is(got.err, source.ErrInvalid):
		got.err = fmt.Errorf("%w: %w", source.ErrInvalid, got.err)
	case got.err == nil && len(got.set.Keys) == 0 && !got.set.Complete:
		got.err = fmt.Errorf("%w: lists no key", source.ErrInvalid)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.held == nil {
		v.held = make(map[string]value)
	}
	v.held[l.id] = got
	return got, nil
}

// keep drops what is held of versions that are not listed any more (F102).
func (v *values) keep(list []listed) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for id := range v.held {
		if !slices.ContainsFunc(list, func(l listed) bool { return l.id == id }) {
			delete(v.held, id)
		}
	}
}
