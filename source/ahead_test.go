package source_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
)

// The source is ahead of the server by two rotations: the key that was accepted
// last is tried too, and serves until the server has a newer one.
//
// F60, F68
func TestSourceTwoAheadOfTheServer(t *testing.T) {
	for name, opts := range map[string][]source.Option{"": nil, "lockout": {source.WithLockout()}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &store{set: listed("v1")}
				r, _ := keep(t, s, append(opts, source.WithPoll(time.Hour))...)
				accepted(t, r, "v1")
				for _, versions := range [][]string{{"v2", "v1"}, {"v3", "v2", "v1"}, {"v4", "v3", "v2", "v1"}} {
					s.put(listed(versions...), nil)
					refresh(t, r)
				}
				a := attempt(t, r, "v4")
				b := next(t, &a, "v3")
				c := next(t, &b, "v1")
				c.Accepted()
				accepted(t, r, "v1") // not v2, which no server took yet
				time.Sleep(time.Minute)
				accepted(t, r, "v4") // by a probe
				accepted(t, r, "v4")
			})
		})
	}
}

// The key to fall back to is the one that the server took last, though another was
// current after it, which is gone.
//
// F68
func TestFallsBackToWhatWasAcceptedLast(t *testing.T) {
	for name, end := range map[string]func(*testing.T, *store, *source.Ring){
		"not listed": func(t *testing.T, s *store, r *source.Ring) { s.put(listed("v3", "v1"), nil) },
		"revoked": func(t *testing.T, s *store, r *source.Ring) {
			if err := r.Revoke("v2"); err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &store{set: listed("v2", "v1")}
				r, _ := keep(t, s, source.WithPoll(time.Hour))
				fallsBack(t, r, "v2", "v1")
				time.Sleep(2 * time.Second)
				accepted(t, r, "v2")
				s.put(listed("v3", "v2", "v1"), nil)
				refresh(t, r)
				end(t, s, r)
				refresh(t, r)
				fallsBack(t, r, "v3", "v1")
				time.Sleep(20 * time.Millisecond)
				accepted(t, r, "v1")
				s.put(listed("v4", "v3", "v1"), nil)
				refresh(t, r)
				s.put(listed("v5", "v4", "v3", "v1"), nil)
				refresh(t, r)
				a := attempt(t, r, "v5")
				b := next(t, &a, "v4")
				c := next(t, &b, "v1")
				c.Accepted()
			})
		})
	}
}

// F59, F68: nor does a late acceptance of the previous key make it the one to fall
// back to, when the current one has served since.
func TestFallsBackToWhatWasAcceptedSince(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v2", "v1")}
		r, _ := keep(t, s, source.WithPoll(time.Hour), source.WithRefusalWait(0))
		a := attempt(t, r, "v2")
		fallsBack(t, r, "v2", "v1")
		late := next(t, &a, "v1")
		time.Sleep(2 * time.Second)
		accepted(t, r, "v2")
		late.Accepted()
		accepted(t, r, "v2")
		s.put(listed("v4", "v3", "v2"), nil)
		refresh(t, r)
		a = attempt(t, r, "v4")
		b := next(t, &a, "v3")
		c := next(t, &b, "v2")
		c.Accepted()
	})
}
