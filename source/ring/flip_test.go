package ring_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// flipping is a source that lists another key at each reading, and notifies all the time.
type flipping struct {
	store
	read chan struct{} // has one for each reading that began
}

func (s *flipping) Read(ctx context.Context) (source.Set, error) {
	s.mu.Lock()
	s.set = listed(fmt.Sprintf("v%d", s.reads%2))
	s.mu.Unlock()
	set, err := s.store.Read(ctx)
	select {
	case s.read <- struct{}{}:
	default:
	}
	return set, err
}

func (s *flipping) Notify(ctx context.Context, changed func()) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.read:
			if s.count() < 20000 { // a reading takes no time here: without a limit the test would not end
				changed()
			}
		}
	}
}

// A source that has news at each reading, and notifies without end, is read 40 times a
// second at most, and that many switches are reported.
//
// F181
func TestFlippingSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &flipping{read: make(chan struct{}, 1)}
		var events atomic.Int64
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		r, err := ring.Keep(ctx, s, ring.WithLogger(nil), ring.WithObserver(func(ring.Event) { events.Add(1) }))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		for range 2 {
			before := s.count()
			time.Sleep(time.Minute)
			if n := s.count() - before; n > 1000+60*40+10 {
				t.Errorf("%d readings in a minute", n)
			}
		}
		if n := events.Load(); n > 4*int64(s.count()) {
			t.Errorf("%d events for %d readings", n, s.count())
		}
	})
}

// A source that lists thousands of keys is refused, and the good key stays in use. Of
// thousands of warnings a few are reported.
//
// F181
func TestManyKeysAndWarnings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		many := func(n int) source.Set {
			set := source.Set{Complete: true}
			for i := range n {
				set.Keys = append(set.Keys, key(fmt.Sprintf("v%d", n-i)))
			}
			return set
		}
		s := &store{set: many(256)}
		r, ev := keep(t, s)
		accepted(t, r, "v256")
		s.put(many(257), nil)
		if err := r.Refresh(t.Context()); !errors.Is(err, source.ErrInvalid) {
			t.Errorf("257 keys: %v", err)
		}
		accepted(t, r, "v256")

		set := one("v300")
		for i := range 5000 {
			set.Warnings = append(set.Warnings, fmt.Errorf("warning %d", i))
		}
		s.put(set, nil)
		refresh(t, r)
		synctest.Wait()
		if n := ev.count(ring.Warning); n != 33 {
			t.Errorf("%d warnings", n)
		}
	})
}
