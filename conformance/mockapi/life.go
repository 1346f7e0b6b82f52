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

// Sentinel begins every generated secret: what is found of it in output is a leak.
const Sentinel = "rksentinel_"

// ErrUnknownVersion: no such version was issued.
var ErrUnknownVersion = errors.New("unknown version")

// Spec describes a new key. The zero Spec is a random key that all replicas
// accept at once (but for [WithPropagation]) and that the key document lists.
type Spec struct {
	// ID, Secret and Extra are the key's parts. Where all are empty they are generated.
	ID     string
	Secret string
	Extra  map[string]string
	// Scopes and Metadata are carried in the key document.
	Scopes   []string
	Metadata map[string]string

	// After is how long from now the key's life begins; the document says so in not_before.
	After time.Duration
	// ValidFor is how long after that it ends; 0 means no end.
	ValidFor time.Duration
	// Replicas, where not nil, names the replicas that learn of the key by
	// themselves, and how long after its life begins. It goes before WithPropagation.
	Replicas map[int]time.Duration
	// Inactive: no replica accepts the key until [API.Activate], though the
	// document lists it as if: the source moves first.
	Inactive bool
	// Pending is Inactive, and the document lists it as pending, without its secret, until Activate.
	Pending bool
	// Unlisted: the document does not list it until [API.List]: the server moves first.
	Unlisted bool
}

// version is one key with its life.
type version struct {
	n       int
	key     source.Key  // ExpiresAt is the end of its life, on all replicas
	from    []time.Time // by replica: since when it is accepted; zero means not
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
	// bySecret is keyed by a hash so that finding a key takes no comparison of secrets (F100).
	bySecret map[[sha256.Size]byte][]*version
	// strangers counts attempts with no known key.
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

// Issue makes a new key version and returns it, secret and all.
func (a *API) Issue(spec Spec) source.Key {
	a.life.mu.Lock()
	key := a.issueLocked(spec, now())
	a.life.mu.Unlock()
	a.doc.touch()
	return key
}

// Rotate issues a new version, as Issue(Spec{}) does, and lets all that are in
// use now expire after overlap; 0 means at once. No request sees one without the other.
func (a *API) Rotate(overlap time.Duration) source.Key { return a.RotateTo(Spec{}, overlap) }

// RotateTo is Rotate with a new version as spec describes.
func (a *API) RotateTo(spec Spec, overlap time.Duration) source.Key {
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

// Activate makes the replicas named, or all where none is, accept the version
// from now on, unless it is expired or revoked.
func (a *API) Activate(version string, replicas ...int) error {
	return a.change(version, func(v *versionChange) { v.pending = false; v.setFrom(replicas, v.now) })
}

// Deactivate makes the replicas named, or all where none is, refuse the version
// from now on. The key document does not change.
func (a *API) Deactivate(version string, replicas ...int) error {
	return a.change(version, func(v *versionChange) { v.setFrom(replicas, time.Time{}) })
}

// Expire ends the version's life after d from now; 0 means at once.
func (a *API) Expire(version string, d time.Duration) error {
	return a.change(version, func(v *versionChange) { v.key.ExpiresAt = v.now.Add(d) })
}

// Revoke makes all replicas refuse the version at once and for good; the key
// document lists it as revoked.
func (a *API) Revoke(version string) error {
	return a.change(version, func(v *versionChange) { v.revoked = true })
}

// List puts the version into the key document.
func (a *API) List(version string) error {
	return a.change(version, func(v *versionChange) { v.listed = true })
}

// Unlist takes the version out of the key document; replicas go on as they did.
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
			v.err = fmt.Errorf("mockapi: no replica %d of %d", i, len(v.from))
			return
		}
	}
	for i := range v.from {
		if len(replicas) > 0 && !slices.Contains(replicas, i) {
			continue
		}
		// One that accepts it already goes on: a request that is being judged was
		// timed a moment ago, and must not find that its key has only just begun.
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

// SetReplicas changes the number of replicas, at least 1. Replicas that are
// added know what replica 0 knows.
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

// now is the wall clock alone: what a key document can say.
func now() time.Time { return time.Now().Round(0).UTC() }
