// Package drill contains what tests of real clients share: a source and a server that
// the test controls, calls under load, and the rotations that the calls must survive.
package drill

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// Sentinel begins every secret.
const Sentinel = "rksentinel_"

// Key returns the key of that version.
func Key(version string) source.Key {
	return source.Key{Version: version, Secret: source.NewSecret(Sentinel + version)}
}

// Keys returns the keys of these versions.
func Keys(versions ...string) (keys []source.Key) {
	for _, v := range versions {
		keys = append(keys, Key(v))
	}
	return keys
}

// A Store is a source that the test controls. It lists every valid key.
type Store struct {
	mu  sync.Mutex
	set source.Set
}

// NewStore returns a Store that lists keys, newest first.
func NewStore(keys ...source.Key) *Store {
	s := &Store{}
	s.Put(keys...)
	return s
}

// Put replaces the keys.
func (s *Store) Put(keys ...source.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set = source.Set{Keys: keys, Complete: true}
}

// Read returns the keys.
func (s *Store) Read(context.Context) (source.Set, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.set, nil
}

// Keep returns a ring over s that reads s when it is asked to, or once an hour.
func (s *Store) Keep(t testing.TB, opts ...ring.Option) *ring.Ring {
	t.Helper()
	keys, err := ring.Keep(t.Context(), s, append([]ring.Option{ring.WithLogger(nil), ring.WithPoll(time.Hour)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keys.Close() })
	return keys
}

// Standing checks the state of a version, how often it was accepted and refused, and
// that no request with it is under way.
func Standing(t testing.TB, keys *ring.Ring, version string, state ring.State, accepted, refused uint64) {
	t.Helper()
	for _, v := range keys.Status().Versions {
		if v.Version == version {
			if v.State != state || v.Accepted != accepted || v.Refused != refused || v.InFlight != 0 {
				t.Errorf("%s is %s: accepted %d, refused %d, in flight %d; want %s, %d, %d, 0",
					version, v.State, v.Accepted, v.Refused, v.InFlight, state, accepted, refused)
			}
			return
		}
	}
	t.Errorf("no version %s", version)
}

// Until waits until a condition is true, a minute at most.
func Until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(time.Minute); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
