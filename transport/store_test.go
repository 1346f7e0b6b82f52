package transport_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// sentinel begins every secret. If it is found anywhere except on the wire, a secret
// has leaked.
const sentinel = "rksentinel-"

// key makes a key whose secret is the sentinel and the version.
func key(version string) source.Key {
	return source.Key{Version: version, ID: "id-" + version, Secret: source.NewSecret(sentinel + version)}
}

// listed is a complete set, newest version first.
func listed(versions ...string) source.Set {
	set := source.Set{Complete: true}
	for _, v := range versions {
		set.Keys = append(set.Keys, key(v))
	}
	return set
}

// store is a source that the test controls. It notifies of every change.
type store struct {
	mu    sync.Mutex
	set   source.Set
	reads int
	kick  chan struct{}
	hang  chan struct{} // not nil: Read waits for it to be closed
}

func newStore(versions ...string) *store {
	return &store{set: listed(versions...), kick: make(chan struct{}, 1)}
}

func (s *store) Read(ctx context.Context) (source.Set, error) {
	s.mu.Lock()
	s.reads++
	hang := s.hang
	s.mu.Unlock()
	if hang != nil {
		select {
		case <-hang:
		case <-ctx.Done():
			return source.Set{}, &source.Error{Source: "store", Err: source.ErrUnavailable}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.set, nil
}

func (s *store) Notify(ctx context.Context, changed func()) error {
	changed()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.kick:
			changed()
		}
	}
}

func (s *store) String() string { return "store" }

// put changes the set and notifies.
func (s *store) put(versions ...string) {
	s.mu.Lock()
	s.set = listed(versions...)
	s.mu.Unlock()
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

func (s *store) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reads
}

// keep keeps a ring that reads only when the test says so: it does not poll during a
// test, and the first notification is over.
func keep(t testing.TB, src source.Source, opts ...ring.Option) *ring.Ring {
	t.Helper()
	keys, err := ring.Keep(context.Background(), src,
		append([]ring.Option{ring.WithLogger(nil), ring.WithPoll(24 * time.Hour)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keys.Close() })
	if _, ok := src.(*store); ok {
		eventually(t, "the notifier's first word", func() bool { return keys.Status().Reads >= 2 })
	}
	return keys
}

// move publishes a new set and returns when the ring has it.
func move(t *testing.T, keys *ring.Ring, s *store, versions ...string) {
	t.Helper()
	s.mu.Lock()
	s.set = listed(versions...)
	s.mu.Unlock()
	if err := keys.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
}
