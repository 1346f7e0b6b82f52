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
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// Keep keeps src in a ring until the test ends. The ring does not poll unless opts say so.
// said returns the text of its events.
func Keep(t testing.TB, src source.Source, opts ...ring.Option) (keys *ring.Ring, said func() string) {
	t.Helper()
	var mu sync.Mutex
	var text strings.Builder
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	keys, err := ring.Keep(ctx, src, append([]ring.Option{
		ring.WithPoll(1000 * time.Hour), ring.WithLogger(nil), ring.WithReadTimeout(3 * time.Second),
		ring.WithObserver(func(e ring.Event) {
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
		keys.Close()
		if t.Failed() {
			t.Log(said())
		}
	})
	return keys, said
}

// Requests makes requests with the ring's keys until the test ends. None of them may fail.
func Requests(t testing.TB, keys *ring.Ring) {
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
				attempt, err := keys.Attempt(t.Context(), true)
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

// limit is how long a test waits before it fails. A test that passes never waits for it. It
// is longer than a ring's longest back-off, which is a minute and half of that as jitter.
const limit = 100 * time.Second

// Uses waits until the ring uses the n-th key.
func Uses(t testing.TB, keys *ring.Ring, n int) {
	t.Helper()
	Eventually(t, fmt.Sprintf("key %d in use", n), func() bool {
		key, err := keys.InUse()
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
