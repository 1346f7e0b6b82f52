package ring

import (
	"slices"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
)

// saved is what a ring saves in its cache: the keys as the ring has them. For a source that
// lists one key at a time these are more than the source lists.
type saved struct {
	Format int        `json:"format"`
	Source string     `json:"source"`
	AsOf   time.Time  `json:"as_of"`
	Salt   []byte     `json:"salt"`
	Whole  []byte     `json:"identity,omitempty"` // digest of the source's Identity, keyed by Salt
	Keys   []savedKey `json:"keys"`               // newest first

	// Digests, keyed by Salt: see digests.
	Revoked [][]byte `json:"revoked,omitempty"`
	Current [][]byte `json:"current,omitempty"`
}

// savedKey is one version: the key with its secrets, and what the ring knows of it. Its
// Version is the source's own name. In JSON, Secret and Extra stand in place of the key's
// own, which would be redacted.
type savedKey struct {
	source.Key
	Secret     string            `json:"secret"`
	Extra      map[string]string `json:"extra,omitempty"`
	Label      string            `json:"label"`
	Seen       time.Time         `json:"seen,omitzero"`
	Behind     time.Time         `json:"behind,omitzero"`      // since when it is a previous one, or no longer listed
	ReplacedAt time.Time         `json:"replaced_at,omitzero"` // when its overlap began; the key's own is not saved
	WasCurrent bool              `json:"was_current,omitempty"`
	Good       bool              `json:"good,omitempty"` // the server accepted it last
}

func (v *version) saved() savedKey {
	k := *v.key.Load()
	s := savedKey{Key: k, Secret: k.Secret.Expose(), Label: k.Version, Seen: v.seen.UTC(), WasCurrent: v.rank > 0}
	s.Version, s.Key.Secret, s.Key.Extra = v.given, source.Secret{}, nil
	for name, value := range k.Extra {
		if s.Extra == nil {
			s.Extra = make(map[string]string)
		}
		s.Extra[name] = value.Expose()
	}
	if v.role == RolePrevious {
		s.Behind = v.behind().UTC()
	}
	if v.replaced() {
		s.ReplacedAt = v.replacedAt.UTC()
	}
	return s
}

func (s *savedKey) key() source.Key {
	k := s.Key
	k.Secret = source.NewSecret(s.Secret)
	for name, value := range s.Extra {
		if k.Extra == nil {
			k.Extra = make(map[string]source.Secret)
		}
		k.Extra[name] = source.NewSecret(value)
	}
	return k
}

// save returns what the cache needs of the roster. good is the version accepted last, or nil.
func (o *roster) save(good *version) saved {
	s := saved{Format: 1, Salt: o.digests.salt, Keys: []savedKey{}}
	for _, digest := range o.digests.revoked {
		s.Revoked = append(s.Revoked, []byte(digest))
	}
	for _, digest := range o.digests.current {
		s.Current = append(s.Current, []byte(digest))
	}
	for _, v := range o.list {
		if v.unusable == nil && v.role != RoleRetired {
			k := v.saved()
			k.Good = v == good
			s.Keys = append(s.Keys, k)
		}
	}
	return s
}

// restore returns the saved versions, newest first, and the one accepted last, or nil. It
// restores the rest of the roster.
func (o *roster) restore(s *saved, now time.Time) (list []*version, good *version) {
	if len(s.Salt) == len(o.digests.salt) {
		o.digests.salt = s.Salt
		for _, digest := range s.Revoked {
			o.digests.revoked = append(o.digests.revoked, string(digest))
		}
		for _, digest := range s.Current {
			o.digests.current = append(o.digests.current, string(digest))
		}
	}
	for i, k := range s.Keys {
		key := dated(k.key())
		if key.Secret.IsZero() || slices.ContainsFunc(list, func(v *version) bool { return v.is(key) }) {
			continue
		}
		if k.Version == "" && key.CreatedAt.After(o.named) {
			o.named = key.CreatedAt
		}
		v := o.join(key, printable(k.Label, maxName), now)
		v.replacedAt = k.ReplacedAt
		v.listed = !v.replaced() // until the source has been read
		if !k.Seen.IsZero() {
			v.seen = k.Seen
		}
		if !k.Behind.IsZero() && !v.revoked {
			v.role, v.since, v.unlisted = RolePrevious, k.Behind, k.Behind
		}
		if k.WasCurrent {
			v.rank = uint64(len(s.Keys) - i)
		}
		if k.Good {
			good = v
		}
		list = append(list, v)
	}
	o.ranks = uint64(len(s.Keys))
	return list, good
}
