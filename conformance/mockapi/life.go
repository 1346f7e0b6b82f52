package mockapi

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
)

// Sentinel is the prefix of every generated secret. Output that contains it leaks
// a secret.
const Sentinel = "rksentinel_"

// ErrUnknownVersion means that no version of the given name was issued.
var ErrUnknownVersion = errors.New("unknown version")

// Spec describes a new key. The zero Spec is a random key that all replicas
// accept at once, or after the delay of [WithPropagation], and that the key
// document lists.
type Spec struct {
	// ID, Secret and Extra are the fields of the key. If all three are empty, they
	// are generated; see [WithGenerator].
	ID     string
	Secret string
	Extra  map[string]string
	// Scopes and Metadata appear in the key document; the server ignores them.
	Scopes   []string
	Metadata map[string]string

	// After is the time from now until the key becomes valid. The key document has
	// it as not_before.
	After time.Duration
	// ValidFor is the time from then until the key expires; 0 means never.
	ValidFor time.Duration
	// Replicas, if not nil, lists the replicas that accept the key without
	// [API.Activate], with the delay after the key becomes valid. It overrides
	// [WithPropagation].
	Replicas map[int]time.Duration
	// Inactive means that no replica accepts the key until [API.Activate], while
	// the key document lists it as usable: the source has the key first.
	Inactive bool
	// Pending is like Inactive, but the key document lists the key as pending and
	// without its secret until [API.Activate].
	Pending bool
	// Unlisted means that the key document does not list the key until
	// [API.List]: the server accepts the key first.
	Unlisted bool
}

// version is one key and its state.
type version struct {
	n       int
	key     source.Key  // ExpiresAt applies to all replicas
	from    []time.Time // by replica: when the replica begins to accept it; zero means never
	revoked bool
	listed  bool
	pending bool

	accepted, refused atomic.Uint64
}

type life struct {
	mu       sync.RWMutex
	replicas int
	versions []*version // in the order of issue
	byName   map[string]*version
	byID     map[string][]*version
	// bySecret has hashes as map keys, so that a lookup compares no secrets (F100).
	bySecret map[[sha256.Size]byte][]*version
	// strangers counts attempts without a known key.
	strangers atomic.Uint64
}

func (l *life) reset(replicas int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.replicas = replicas
	l.versions = nil
	l.byName = make(map[string]*version)
	l.byID = make(map[string][]*version)
	l.bySecret = make(map[[sha256.Size]byte][]*version)
	l.strangers.Store(0)
}

// Issue makes a new version and returns its key with the secret.
func (a *API) Issue(spec Spec) source.Key {
	a.life.mu.Lock()
	key := a.issueLocked(spec, now())
	a.life.mu.Unlock()
	a.doc.touch()
	return key
}

// Rotate issues a new version like Issue(Spec{}), and sets all versions that a
// replica accepts now to expire after overlap; 0 means at once. Both changes take
// effect together.
func (a *API) Rotate(overlap time.Duration) source.Key { return a.rotate(Spec{}, overlap) }

// rotate is like Rotate but issues the version that spec describes.
func (a *API) rotate(spec Spec, overlap time.Duration) source.Key {
	a.life.mu.Lock()
	at := now()
	end := at.Add(overlap)
	for _, v := range a.life.versions {
		started := slices.ContainsFunc(v.from, func(t time.Time) bool { return !t.IsZero() && !at.Before(t) })
		if started && !v.revoked && (v.key.ExpiresAt.IsZero() || end.Before(v.key.ExpiresAt)) {
			v.key.ExpiresAt = end
		}
	}
	key := a.issueLocked(spec, at)
	a.life.mu.Unlock()
	a.doc.touch()
	return key
}

func (a *API) issueLocked(spec Spec, at time.Time) source.Key {
	l := &a.life
	n := len(l.versions) + 1
	if spec.ID == "" && spec.Secret == "" && spec.Extra == nil {
		made := Spec{ID: "key-" + strconv.Itoa(n), Secret: Sentinel + rand.Text()}
		if a.cfg.generate != nil {
			made = a.cfg.generate(n)
		}
		spec.ID, spec.Secret, spec.Extra = made.ID, made.Secret, made.Extra
	}
	v := &version{n: n, from: make([]time.Time, l.replicas), listed: !spec.Unlisted, pending: spec.Pending}
	v.key = source.Key{
		Version: "v" + strconv.Itoa(n), ID: spec.ID, Secret: source.NewSecret(spec.Secret),
		CreatedAt: at, Scopes: spec.Scopes, Metadata: spec.Metadata,
	}
	for name, value := range spec.Extra {
		if v.key.Extra == nil {
			v.key.Extra = make(map[string]source.Secret)
		}
		v.key.Extra[name] = source.NewSecret(value)
	}
	begin := at.Add(spec.After)
	if spec.After > 0 {
		v.key.NotBefore = begin
	}
	if spec.ValidFor > 0 {
		v.key.ExpiresAt = begin.Add(spec.ValidFor)
	}
	for i := range v.from {
		delay, told := spec.Replicas[i]
		switch {
		case spec.Inactive || spec.Pending || spec.Replicas != nil && !told:
			continue
		case spec.Replicas == nil && a.cfg.propagation != nil:
			delay = a.cfg.propagation(i)
		}
		v.from[i] = begin.Add(delay)
	}
	v.key = v.key.Clone()
	l.versions = append(l.versions, v)
	l.byName[v.key.Version] = v
	l.byID[v.key.ID] = append(l.byID[v.key.ID], v)
	sum := sha256.Sum256([]byte(spec.Secret))
	l.bySecret[sum] = append(l.bySecret[sum], v)
	return v.key.Clone()
}

// Activate makes the given replicas, or all if none is given, accept the version
// from now on. An expired or revoked version stays refused. The error wraps
// [ErrUnknownVersion], or says that there is no such replica.
func (a *API) Activate(version string, replicas ...int) error {
	return a.change(version, func(v *versionChange) { v.pending = false; v.setFrom(replicas, v.now) })
}

// Deactivate makes the given replicas, or all if none is given, refuse the
// version from now on. The key document does not change. Errors are those of
// [API.Activate].
func (a *API) Deactivate(version string, replicas ...int) error {
	return a.change(version, func(v *versionChange) { v.setFrom(replicas, time.Time{}) })
}

// Expire makes the version expire after d; 0 means at once. An unknown version is
// an error that wraps [ErrUnknownVersion].
func (a *API) Expire(version string, d time.Duration) error {
	return a.change(version, func(v *versionChange) { v.key.ExpiresAt = v.now.Add(d) })
}

// Revoke makes all replicas refuse the version at once and for good. The key
// document lists it as revoked. An unknown version is an error that wraps
// [ErrUnknownVersion].
func (a *API) Revoke(version string) error {
	return a.change(version, func(v *versionChange) { v.revoked = true })
}

// List adds the version to the key document. An unknown version is an error that
// wraps [ErrUnknownVersion].
func (a *API) List(version string) error {
	return a.change(version, func(v *versionChange) { v.listed = true })
}

// Unlist removes the version from the key document. The replicas do not change.
// An unknown version is an error that wraps [ErrUnknownVersion].
func (a *API) Unlist(version string) error {
	return a.change(version, func(v *versionChange) { v.listed = false })
}

type versionChange struct {
	*version
	now time.Time
	err error
}

func (v *versionChange) setFrom(replicas []int, from time.Time) {
	for _, i := range replicas {
		if i < 0 || i >= len(v.from) {
			v.err = fmt.Errorf("mockapi: there is no replica %d of %d, counted from 0", i, len(v.from))
			return
		}
	}
	for i := range v.from {
		if len(replicas) > 0 && !slices.Contains(replicas, i) {
			continue
		}
		// Do not move the begin to a later time: a request that arrived just before
		// has an earlier time, and would find its key not valid yet.
		if begun := v.from[i]; from.IsZero() || begun.IsZero() || from.Before(begun) {
			v.from[i] = from
		}
	}
}

func (a *API) change(name string, f func(*versionChange)) error {
	a.life.mu.Lock()
	v := a.life.byName[name]
	if v == nil {
		a.life.mu.Unlock()
		return a.fail(fmt.Errorf("mockapi: %w: %q", ErrUnknownVersion, name))
	}
	c := &versionChange{version: v, now: now()}
	f(c)
	a.life.mu.Unlock()
	a.doc.touch()
	return a.fail(c.err)
}

// SetReplicas changes the number of replicas to n, or to 1 if n is less. New
// replicas accept the same versions as replica 0.
func (a *API) SetReplicas(n int) {
	a.life.mu.Lock()
	defer a.life.mu.Unlock()
	n = max(n, 1)
	a.life.replicas = n
	for _, v := range a.life.versions {
		for len(v.from) < n {
			v.from = append(v.from, v.from[0])
		}
		v.from = v.from[:n]
	}
}

// now returns the wall clock time without the monotonic clock, as it appears in a
// key document.
func now() time.Time { return time.Now().Round(0).UTC() }
