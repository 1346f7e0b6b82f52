package ring_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// However an Attempt is used, each attempt counts one outcome, and none stays in flight.
//
// F179
func TestAttemptUsedWrongly(t *testing.T) {
	none := context.Context(nil)
	outcomes := map[string]func(*ring.Attempt){
		"Accepted":     (*ring.Attempt).Accepted,
		"Refused":      (*ring.Attempt).Refused,
		"Unknown":      (*ring.Attempt).Unknown,
		"End":          (*ring.Attempt).End,
		"Denied":       func(a *ring.Attempt) { a.Denied("") },
		"Again":        (*ring.Attempt).Again,
		"Next":         func(a *ring.Attempt) { a.Next(context.Background(), false) },
		"Next, nil":    func(a *ring.Attempt) { a.Next(none, false) },
		"Next, doubt":  func(a *ring.Attempt) { a.Next(context.Background(), true) },
		"Next, a loop": func(a *ring.Attempt) { repeat(func() { a.Next(context.Background(), false) }) },
		"Again, many":  func(a *ring.Attempt) { repeat(a.Again) },
		"Key":          func(a *ring.Attempt) { a.Key(); a.Version(); a.Prepared(7); a.Prepared(-1) },
	}
	begin := map[string]func(*testing.T, *ring.Ring) ring.Attempt{
		"a request": func(t *testing.T, r *ring.Ring) ring.Attempt {
			a, err := r.Attempt(t.Context(), true)
			if err != nil {
				t.Fatal(err)
			}
			return a
		},
		"a login":          func(t *testing.T, r *ring.Ring) ring.Attempt { return awaits(t, r, source.Key{}, r.Version()) },
		"a caller's":       func(_ *testing.T, r *ring.Ring) ring.Attempt { return r.Caller("here", nil) },
		"without a ring":   func(*testing.T, *ring.Ring) ring.Attempt { return (*ring.Ring)(nil).Caller("here") },
		"the zero Attempt": func(*testing.T, *ring.Ring) ring.Attempt { return ring.Attempt{} },
	}
	for title, start := range begin {
		for name, first := range outcomes {
			t.Run(title+", "+name, func(t *testing.T) {
				for next, second := range outcomes {
					synctest.Test(t, func(t *testing.T) {
						s := &store{set: listed("v2", "v1")}
						r, _ := keep(t, s, ring.WithRefusalWait(0))
						a := start(t, r)
						before := a
						first(&a)
						after := a
						second(&a)
						second(&before) // a copy of what is over
						second(&after)
						after.End()
						before.End()
						a.End()
						check := func(inFlight uint64) {
							t.Helper()
							st := r.Status()
							got := st.Callers.InFlight
							for _, v := range st.Versions {
								got += v.InFlight
							}
							if got != inFlight {
								t.Errorf("then %s: %d in flight, want %d: %+v", next, got, inFlight, st.Versions)
							}
						}
						check(0)
						other := start(t, r) // it may have the ticket
						second(&before)
						second(&after)
						second(&a)
						if title == "without a ring" || title == "the zero Attempt" {
							check(0)
						} else {
							check(1)
						}
						other.End()
						check(0)
					})
				}
			})
		}
	}
}

func repeat(f func()) {
	for range 10 {
		f()
	}
}

// A nil context, and a slot that is given back twice, are errors, and panic nowhere.
//
// F179
func TestNilContexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		none := context.Context(nil)
		r, _ := keep(t, &store{set: listed("v2", "v1")}, ring.WithLockout(), ring.WithObserver(nil), ring.WithPrepare(nil))
		for name, call := range map[string]func() error{
			"Keep":    func() error { _, err := ring.Keep(none, &store{}); return err },
			"Attempt": func() error { _, err := r.Attempt(none, true); return err },
			"Await":   func() error { _, err := r.Await(none, source.Key{}); return err },
			"Refresh": func() error { return r.Refresh(none) },
			"Token":   func() error { _, err := r.Token(none); return err },
		} {
			if err := call(); !errors.Is(err, source.ErrNoKey) {
				t.Errorf("%s: %v", name, err)
			}
		}
		r.Pin(source.Key{})()
		r.Subscribe(nil)()
		prepare := func(source.Key) (any, error) { return "made", nil }
		_, release, _ := r.Prepare(prepare)
		release()
		slot, _, _ := r.Prepare(prepare)
		release()
		a := attempt(t, r, "v2")
		defer a.End()
		if got := a.Prepared(slot); got != "made" {
			t.Errorf("the slot of another was given back: %v", got)
		}
	})
}
