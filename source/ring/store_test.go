package ring_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// store is a source under the test's control.
type store struct {
	mu    sync.Mutex
	set   source.Set
	err   error
	reads int
	hang  chan struct{} // while not nil, Read waits for it
	kick  chan struct{} // not nil: the store can notify
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
			return source.Set{}, &source.Error{Source: "store", Err: fmt.Errorf("%w: %w", source.ErrUnavailable, ctx.Err())}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.set, s.err
}

func (s *store) String() string { return "store" }

func (s *store) put(set source.Set, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set, s.err = set, err
}

func (s *store) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reads
}

// hold holds up the readings from now on, until release is called.
func (s *store) hold() (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	hang := make(chan struct{})
	s.hang = hang
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.hang = nil
		close(hang)
	}
}

// pushing is a store that can notify.
type pushing struct{ store }

func (s *pushing) Notify(ctx context.Context, changed func()) error {
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

// held is a source that takes what it answers before it is held up, and that
// does not care for its context.
type held struct{ store }

func (s *held) Read(context.Context) (source.Set, error) {
	s.mu.Lock()
	s.reads++
	set, err, hang := s.set, s.err, s.hang
	s.mu.Unlock()
	if hang != nil {
		<-hang
	}
	return set, err
}

// key makes a key whose secret is sentinel-version.
func key(version string) source.Key {
	return source.Key{Version: version, Secret: source.NewSecret("sentinel-" + version)}
}

func one(version string) source.Set { return source.Set{Keys: []source.Key{key(version)}} }

func plain(secret string) source.Set {
	return source.Set{Keys: []source.Key{{Secret: source.NewSecret("sentinel-" + secret)}}}
}

func listed(versions ...string) source.Set {
	set := source.Set{Complete: true}
	for _, v := range versions {
		set.Keys = append(set.Keys, key(v))
	}
	return set
}

// events collects what a ring reports.
type events struct {
	mu   sync.Mutex
	list []ring.Event
}

func (e *events) add(ev ring.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, ev)
}

func (e *events) kinds() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var kinds []string
	for _, ev := range e.list {
		if ev.Kind != ring.Refreshed {
			kinds = append(kinds, strings.TrimSpace(string(ev.Kind)+" "+ev.Version))
		}
	}
	return kinds
}

func (e *events) count(kind ring.EventKind) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := 0
	for _, ev := range e.list {
		if ev.Kind == kind {
			n++
		}
	}
	return n
}

func keep(t *testing.T, src source.Source, opts ...ring.Option) (*ring.Ring, *events) {
	t.Helper()
	ev := &events{}
	keys, err := ring.Keep(t.Context(), src, append([]ring.Option{ring.WithLogger(nil), ring.WithObserver(ev.add)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keys.Close() })
	return keys, ev
}

func refresh(t *testing.T, r *ring.Ring) {
	t.Helper()
	if err := r.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// rotate has a source that lists one key at a time go through contents, with a
// pause after each, and returns the names that the ring gives them.
func rotate(t *testing.T, s *store, r *ring.Ring, pause time.Duration, contents ...string) (names []string) {
	t.Helper()
	for _, content := range contents {
		s.put(plain(content), nil)
		refresh(t, r)
		names = append(names, r.Version())
		time.Sleep(pause)
	}
	return names
}

// attempt begins an attempt and checks which version it carries.
func attempt(t *testing.T, r *ring.Ring, version string) ring.Attempt {
	t.Helper()
	a, err := r.Attempt(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	if a.Version() != version {
		t.Fatalf("attempt with %q, want %q", a.Version(), version)
	}
	return a
}

// next refuses a copy of a and checks which version comes next; "" for none.
func next(t *testing.T, a *ring.Attempt, version string) ring.Attempt {
	t.Helper()
	b := *a
	ok := b.Next(t.Context(), false)
	if ok != (version != "") || ok && b.Version() != version {
		t.Fatalf("after a refusal of %q: next is %v, want %q", a.Version(), ok, version)
	}
	return b
}

// accepted sends one request with a version, which the server takes.
func accepted(t *testing.T, r *ring.Ring, version string) {
	t.Helper()
	a := attempt(t, r, version)
	a.Accepted()
}

// fallsBack has a version refused, and the next accepted in its place.
func fallsBack(t *testing.T, r *ring.Ring, from, to string) {
	t.Helper()
	a := attempt(t, r, from)
	b := next(t, &a, to)
	b.Accepted()
}

// status returns how a version stands.
func status(t *testing.T, r *ring.Ring, version string) ring.VersionStatus {
	t.Helper()
	for _, v := range r.Status().Versions {
		if v.Version == version {
			return v
		}
	}
	t.Fatalf("no version %q", version)
	return ring.VersionStatus{}
}

func wantKinds(t *testing.T, ev *events, want ...string) {
	t.Helper()
	synctest.Wait()
	if got := ev.kinds(); !slices.Equal(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
}
