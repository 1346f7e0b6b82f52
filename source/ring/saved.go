package ring

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"github.com/rollingkeys/rollingkeys/source"
	"io"
	"io/fs"
	"slices"
	"time"
)

// saved is what a ring keeps in its cache: the keys as the ring has them, which
// for a source that lists one key at a time is more than the source knows.
type saved struct {
	Format int        `json:"format"`
	Source string     `json:"source"`
	AsOf   time.Time  `json:"as_of"`
	Salt   []byte     `json:"salt"`
	Whole  []byte     `json:"identity,omitempty"` // digest of the source's Identity, under Salt
	Barred [][]byte   `json:"revoked,omitempty"`  // digests, under Salt
	Keys   []savedKey `json:"keys"`               // newest first
}

// savedKey is one version: the key, with its secrets, and what the ring knows of it.
type savedKey struct {
	Version    string            `json:"version"` // the source's own name
	ID         string            `json:"id,omitempty"`
	Secret     string            `json:"secret"`
	Extra      map[string]string `json:"extra,omitempty"`
	CreatedAt  time.Time         `json:"created_at,omitzero"`
	NotBefore  time.Time         `json:"not_before,omitzero"`
	ExpiresAt  time.Time         `json:"expires_at,omitzero"`
	Scopes     []string          `json:"scopes,omitempty"`
	Metadata   map[string]string `json:"metadata,omitempty"`
	Label      string            `json:"label"`
	ReplacedAt time.Time         `json:"replaced_at,omitzero"`
	WasCurrent bool              `json:"was_current,omitempty"`
}

func (v *version) saved() savedKey {
	k := v.key.Load()
	s := savedKey{
		Version: v.given, ID: k.ID, Secret: k.Secret.Expose(),
		CreatedAt: k.CreatedAt, NotBefore: k.NotBefore, ExpiresAt: k.ExpiresAt,
		Scopes: k.Scopes, Metadata: k.Metadata,
		Label: k.Version, WasCurrent: v.wasCurrent,
	}
	for name, value := range k.Extra {
		if s.Extra == nil {
			s.Extra = make(map[string]string)
		}
		s.Extra[name] = value.Expose()
	}
	if v.ending {
		s.ReplacedAt = v.replacedAt.UTC()
	}
	return s
}

func (s *savedKey) key() source.Key {
	k := source.Key{
		Version: s.Version, ID: s.ID, Secret: source.NewSecret(s.Secret),
		CreatedAt: s.CreatedAt, NotBefore: s.NotBefore, ExpiresAt: s.ExpiresAt,
		Scopes: s.Scopes, Metadata: s.Metadata,
	}
	for name, value := range s.Extra {
		if k.Extra == nil {
			k.Extra = make(map[string]source.Secret)
		}
		k.Extra[name] = source.NewSecret(value)
	}
	return k
}

// keepCache saves the ring whenever its keys changed, and a last time at Close.
// What failed is tried again, and now and then the time of the last reading is
// saved, for a restart while the source is down.
func (r *Ring) keepCache() {
	again := time.NewTicker(cacheEvery)
	defer again.Stop()
	for {
		select {
		case <-r.dirty:
		case <-again.C:
		case <-r.ctx.Done():
			r.save()
			return
		}
		r.save()
	}
}

// cacheEvery is how often the cache is saved at least.
const cacheEvery = 5 * time.Minute

func (r *Ring) save() {
	r.mu.Lock()
	data, err := r.encode()
	r.unlock()
	if err == nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), 4*time.Second)
		defer cancel()
		err = guard(func() error { return r.cfg.cache.Save(ctx, data) })
	}
	if err != nil {
		r.mu.Lock()
		defer r.unlock()
		r.outbox.warn(fmt.Errorf("the keys were not cached: %w", err))
	}
}

// encode writes the ring for its cache. The caller holds mu.
func (r *Ring) encode() ([]byte, error) {
	s := saved{Format: 1, Source: r.name, AsOf: r.health.lastRead.UTC(), Salt: r.salt, Keys: []savedKey{}}
	s.Whole = r.identity(r.salt)
	for _, digest := range r.barred {
		s.Barred = append(s.Barred, []byte(digest))
	}
	for _, v := range r.roster.list {
		if v.unusable != nil || v.role == RoleRetired {
			continue
		}
		s.Keys = append(s.Keys, v.saved())
	}
	return json.Marshal(s)
}

// identity tells apart the sources that have one name, and are of the same kind.
func (r *Ring) identity(salt []byte) []byte {
	s, ok := r.reader.src.(interface{ Identity() source.Secret })
	if !ok {
		return nil
	}
	mac := hmac.New(sha256.New, salt)
	err := guard(func() error {
		_, err := io.WriteString(mac, s.Identity().Expose())
		return err
	})
	if err != nil {
		return newSalt() // one that is never met again
	}
	return mac.Sum(nil)
}

// load begins with what the cache has for this source, and reports whether it
// is of any use.
func (r *Ring) load(ctx context.Context) bool {
	if r.cfg.cache == nil {
		return false
	}
	var s saved
	err := guard(func() error {
		data, err := r.cfg.cache.Load(ctx)
		if err != nil {
			return err
		}
		if json.Unmarshal(data, &s) != nil || s.Format != 1 {
			return fmt.Errorf("%w: not a cache of this format", source.ErrInvalid)
		}
		return nil
	})
	r.mu.Lock()
	defer r.unlock()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false
	case err != nil:
		r.outbox.warn(fmt.Errorf("the cached keys are of no use: %w", err))
		return false
	case s.Source != r.name || !bytes.Equal(s.Whole, r.identity(s.Salt)):
		r.outbox.warn(fmt.Errorf("the cache belongs to another source, %q: not used", s.Source))
		return false
	}
	r.restore(&s)
	return r.snap.Load().err == nil
}

// restore puts the cached keys in place. The caller holds mu.
func (r *Ring) restore(s *saved) {
	now := r.cfg.now()
	if len(s.Salt) == len(r.salt) {
		r.salt = s.Salt
		for _, digest := range s.Barred {
			r.barred = append(r.barred, string(digest))
		}
	}
	var list []*version
	for _, k := range s.Keys {
		key := k.key()
		if key.Secret.IsZero() || slices.ContainsFunc(list, func(v *version) bool { return v.is(key) }) {
			continue
		}
		if k.Version == "" && key.CreatedAt.After(r.roster.named) {
			r.roster.named = key.CreatedAt
		}
		v := r.join(key, k.Label, now)
		v.wasCurrent = k.WasCurrent
		v.ending, v.replacedAt = !k.ReplacedAt.IsZero(), k.ReplacedAt
		v.listed = !v.ending // until the source has been read
		list = append(list, v)
	}
	r.prepareNew(list)
	r.roster.list = list
	r.health.restored(s.AsOf)
	r.recompute(now)
}
