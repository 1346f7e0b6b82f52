package storetest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source"
)

// A Store is a source and what is behind it, for one test.
type Store struct {
	// Source reads the store through Proxy.
	Source source.Source
	Proxy  *Proxy
	// Put writes a key to the store itself, past the proxy.
	Put func(source.Key)
	// Kill ends the server without a farewell, Restart brings it back with what
	// it held. Nil where the server is shared: the table then has no such row.
	Kill, Restart func()
}

var faults = []struct {
	name         string
	begin, mend  func(Store)
	duringServes bool // a new key arrives in spite of the fault
}{
	{"Reset", func(s Store) { s.Proxy.Reset() }, func(s Store) { s.Proxy.Start() }, false},
	{"Refused", func(s Store) { s.Proxy.Stop() }, func(s Store) { s.Proxy.Start() }, false},
	{"Hanging", func(s Store) { s.Proxy.Hang() }, func(s Store) { s.Proxy.Start() }, false},
	{"Slow", func(s Store) { s.Proxy.Slow(200) }, func(s Store) { s.Proxy.Start() }, true},
	{"Killed", func(s Store) { s.Kill() }, func(s Store) { s.Restart() }, false},
}

// TestFaults runs a ring of a source that can notify through every fault, with
// requests all the while. The ring does not poll: a key that was put during the
// fault comes by notice alone, which after a lost connection means that the
// source was armed again and said so. No request fails.
func TestFaults(t *testing.T, open func(t *testing.T) Store) {
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			s := open(t)
			if f.name == "Killed" && s.Kill == nil {
				t.Fatal("the store cannot be killed")
			}
			s.Put(conformance.NewKey(1))
			ring, said := Keep(t, s.Source)
			Requests(t, ring)
			s.Put(conformance.NewKey(2)) // by now the watch is armed, or about to be
			Uses(t, ring, 2)

			f.begin(s)
			if f.name != "Killed" {
				s.Put(conformance.NewKey(3))
			}
			if f.duringServes {
				Uses(t, ring, 3)
			} else {
				// The fault is there: a reading notices it.
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				if err := ring.Refresh(ctx); err == nil {
					t.Error("a reading during the fault has no error")
				}
				cancel()
				if key, err := ring.InUse(); err != nil || !key.SameContent(conformance.NewKey(2)) {
					t.Errorf("the last good key is not in use: %v", err)
				}
			}
			f.mend(s)
			if f.name == "Killed" {
				s.Put(conformance.NewKey(3))
			}
			Uses(t, ring, 3)
			s.Put(conformance.NewKey(4)) // and the watch lives on
			Uses(t, ring, 4)
			if strings.Contains(said(), conformance.Sentinel) { // F95
				t.Error("an event holds a secret")
			}
		})
	}
}

// Keep keeps src in a ring that does not poll, until the test ends. said returns
// what its events said.
func Keep(t testing.TB, src source.Source, opts ...source.Option) (ring *source.Ring, said func() string) {
	t.Helper()
	var mu sync.Mutex
	var text strings.Builder
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	ring, err := source.Keep(ctx, src, append([]source.Option{
		source.WithPoll(1000 * time.Hour), source.WithLogger(nil), source.WithReadTimeout(5 * time.Second),
		source.WithObserver(func(e source.Event) {
			mu.Lock()
			defer mu.Unlock()
			fmt.Fprintf(&text, "%s %s %v\n", e.Kind, e.Version, e.Err)
		}),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	said = func() string {
		mu.Lock()
		defer mu.Unlock()
		return text.String()
	}
	t.Cleanup(func() {
		ring.Close()
		if t.Failed() {
			t.Log(said())
		}
	})
	return ring, said
}

// Requests makes requests with ring's keys until the test ends, none of which may fail.
func Requests(t testing.TB, ring *source.Ring) {
	t.Helper()
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-done:
				if n == 0 {
					t.Error("no request was made")
				}
				return
			case <-tick.C:
				attempt, err := ring.Attempt(true)
				if err != nil {
					t.Errorf("request %d: %v", n, err)
					return
				}
				attempt.Accepted()
			}
		}
	})
	t.Cleanup(func() { close(done); wg.Wait() })
}

// limit ends a wait for what must come in a test that has failed; it measures nothing.
const limit = 60 * time.Second

// Uses waits until ring uses the n-th key.
func Uses(t testing.TB, ring *source.Ring, n int) {
	t.Helper()
	Eventually(t, fmt.Sprintf("key %d in use", n), func() bool {
		key, err := ring.InUse()
		return err == nil && key.SameContent(conformance.NewKey(n))
	})
}

// Eventually waits until ok is true.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(limit); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("never came: %s", what)
		}
	}
}
