package ring_test

import (
	"errors"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// Each condition alone decides whether an old key may be revoked at the server:
// revoking one that is in use fails orders.
//
// F171
func TestSafeToRevoke(t *testing.T) {
	const (
		quiet    = "the current version is accepted, and this one is not sent any more"
		recent   = "in use less than a minute ago"
		out      = "requests that carry it are still out"
		unproved = "the current version has not been accepted"
		new      = "the current version is accepted only since 2000-01-01T"
		doubted  = "the current version was refused at 2000-01-01T"
	)
	rotate := func(t *testing.T, s *store, r *ring.Ring) { // from v1 to v2, after an hour
		accepted(t, r, "v1")
		time.Sleep(time.Hour)
		s.put(listed("v2", "v1"), nil)
		refresh(t, r)
	}
	usedAgain := func(t *testing.T, r *ring.Ring) { // v1, after an hour of v2, in doubt
		accepted(t, r, "v2")
		time.Sleep(time.Hour)
		a := attempt(t, r, "v2")
		if !a.Next(t.Context(), true) || a.Version() != "v1" {
			t.Error("v1 is not tried")
		}
		a.Unknown()
		status(t, r, "v1")
	}
	refusedOnce := func(t *testing.T, r *ring.Ring) { // v2, for the last time after an hour
		accepted(t, r, "v2")
		time.Sleep(time.Hour)
		fallsBack(t, r, "v2", "v1")
		time.Sleep(1200 * time.Millisecond)
		accepted(t, r, "v2")
	}
	for name, c := range map[string]struct {
		set     source.Set
		do      func(t *testing.T, s *store, r *ring.Ring)
		version string
		safe    bool
		reason  string
	}{
		"current": {listed("v2", "v1"), func(t *testing.T, _ *store, r *ring.Ring) {
			accepted(t, r, "v2")
			time.Sleep(time.Hour)
		}, "v2", false, "it is current"},
		"quiet": {listed("v2", "v1"), func(t *testing.T, _ *store, r *ring.Ring) {
			accepted(t, r, "v2")
			time.Sleep(10 * time.Minute)
		}, "v1", true, quiet},
		"successor accepted 599 s ago": {listed("v1"), func(t *testing.T, s *store, r *ring.Ring) {
			rotate(t, s, r)
			time.Sleep(time.Hour)
			accepted(t, r, "v2")
			time.Sleep(599 * time.Second)
		}, "v1", false, new},
		"successor accepted 10 minutes ago": {listed("v1"), func(t *testing.T, s *store, r *ring.Ring) {
			rotate(t, s, r)
			accepted(t, r, "v2")
			time.Sleep(599 * time.Second)
			accepted(t, r, "v2")
			time.Sleep(time.Second)
		}, "v1", true, quiet},
		"successor held since, accepted again 599 s ago": {listed("v2", "v1"), func(t *testing.T, _ *store, r *ring.Ring) {
			accepted(t, r, "v2")
			fallsBack(t, r, "v2", "v1")
			time.Sleep(time.Hour)
			accepted(t, r, "v2")
			time.Sleep(599 * time.Second)
		}, "v1", false, new},
		"successor refused 59 min ago": {listed("v2", "v1"), func(t *testing.T, _ *store, r *ring.Ring) {
			refusedOnce(t, r)
			time.Sleep(59 * time.Minute)
		}, "v1", false, doubted},
		"successor refused an hour ago": {listed("v2", "v1"), func(t *testing.T, _ *store, r *ring.Ring) {
			refusedOnce(t, r)
			time.Sleep(time.Hour)
		}, "v1", true, quiet},
		"successor refused 59 min ago, by a request that could not be sent again": {listed("v2", "v1"), func(t *testing.T, _ *store, r *ring.Ring) {
			a := attempt(t, r, "v2")
			a.Refused()
			time.Sleep(1200 * time.Millisecond)
			accepted(t, r, "v2")
			time.Sleep(59 * time.Minute)
		}, "v1", false, doubted},
		"successor refused in doubt, where the old one is accepted": {listed("v2", "v1"), func(t *testing.T, _ *store, r *ring.Ring) {
			accepted(t, r, "v2")
			time.Sleep(time.Hour)
			a := attempt(t, r, "v2")
			a.Next(t.Context(), true)
			a.Accepted()
			time.Sleep(1200 * time.Millisecond)
			accepted(t, r, "v2")
			time.Sleep(58 * time.Minute)
		}, "v1", false, doubted},
		"sent 59 s ago": {listed("v2", "v1"), func(t *testing.T, _ *store, r *ring.Ring) {
			usedAgain(t, r)
			time.Sleep(59 * time.Second)
		}, "v1", false, recent},
		"sent a minute ago": {listed("v2", "v1"), func(t *testing.T, _ *store, r *ring.Ring) {
			usedAgain(t, r)
			time.Sleep(time.Minute)
		}, "v1", true, quiet},
		"its answer is open": {listed("v1"), func(t *testing.T, s *store, r *ring.Ring) {
			a := attempt(t, r, "v1")
			open := a.Stream()
			a.Accepted()
			rotate(t, s, r)
			accepted(t, r, "v2")
			time.Sleep(time.Hour)
			runtime.KeepAlive(open)
		}, "v1", false, out},
		"accepted last": {listed("v1"), func(t *testing.T, s *store, r *ring.Ring) {
			a := attempt(t, r, "v1")
			rotate(t, s, r)
			accepted(t, r, "v2")
			time.Sleep(time.Hour)
			a.Accepted()
		}, "v1", false, "it was accepted last"},
		"accepted last but one": {listed("v1"), func(t *testing.T, s *store, r *ring.Ring) {
			a := attempt(t, r, "v1")
			rotate(t, s, r)
			accepted(t, r, "v2")
			time.Sleep(time.Hour)
			a.Accepted()
			accepted(t, r, "v2")
		}, "v1", true, quiet},
		"its answer has ended": {listed("v1"), func(t *testing.T, s *store, r *ring.Ring) {
			a := attempt(t, r, "v1")
			open := a.Stream()
			a.Unknown()
			rotate(t, s, r)
			accepted(t, r, "v2")
			time.Sleep(time.Hour)
			open.End()
			open.End()
		}, "v1", true, quiet},
		"still out": {listed("v1"), func(t *testing.T, s *store, r *ring.Ring) {
			attempt(t, r, "v1")
			rotate(t, s, r)
			accepted(t, r, "v2")
			time.Sleep(time.Hour)
		}, "v1", false, out},
		"successor never sent": {listed("v2", "v1"), func(*testing.T, *store, *ring.Ring) {
			time.Sleep(time.Hour)
		}, "v1", false, unproved},
		"successor's outcome unknown": {listed("v2", "v1"), func(t *testing.T, _ *store, r *ring.Ring) {
			a := attempt(t, r, "v2")
			a.Unknown()
			time.Sleep(time.Hour)
		}, "v1", false, unproved},
		"successor refused by now": {listed("v3", "v2", "v1"), func(t *testing.T, _ *store, r *ring.Ring) {
			accepted(t, r, "v3")
			time.Sleep(time.Hour)
			fallsBack(t, r, "v3", "v2")
			time.Sleep(time.Hour)
		}, "v1", false, unproved},
		"successor current again, not accepted since": {listed("v2"), func(t *testing.T, s *store, r *ring.Ring) {
			accepted(t, r, "v2")
			s.put(listed("v1", "v2"), nil)
			refresh(t, r)
			accepted(t, r, "v1")
			s.put(listed("v2", "v1"), nil)
			refresh(t, r)
			time.Sleep(time.Hour)
		}, "v1", false, unproved},
		"in use": {listed("v2", "v1"), func(t *testing.T, _ *store, r *ring.Ring) {
			accepted(t, r, "v2")
			fallsBack(t, r, "v2", "v1")
			time.Sleep(time.Hour)
		}, "v1", false, "it is in use: the server refuses the current version"},
		"refused where the successor is accepted": {listed("v2", "v1"), func(t *testing.T, _ *store, r *ring.Ring) {
			fallsBack(t, r, "v2", "v1")
			fallsBack(t, r, "v1", "v2")
			time.Sleep(time.Hour)
		}, "v1", true, "the server refuses it already"},
		"refused where the successor is accepted, which was refused elsewhere": {listed("v2", "v1"), func(t *testing.T, _ *store, r *ring.Ring) {
			fallsBack(t, r, "v2", "v1")
			fallsBack(t, r, "v1", "v2")
			time.Sleep(59 * time.Minute)
		}, "v1", false, doubted},
		"revoked": {listed("v2", "v1"), func(t *testing.T, _ *store, r *ring.Ring) {
			if err := r.Revoke("v1"); err != nil {
				t.Error(err)
			}
		}, "v1", true, "revoked here"},
		"revoked and out": {listed("v1"), func(t *testing.T, s *store, r *ring.Ring) {
			attempt(t, r, "v1")
			s.put(listed("v2", "v1"), nil)
			refresh(t, r)
			if err := r.Revoke("v1"); err != nil {
				t.Error(err)
			}
		}, "v1", false, out},
		"expired": {listed("v2", "v1"), func(t *testing.T, s *store, r *ring.Ring) {
			set := listed("v2", "v1")
			set.Keys[1].ExpiresAt = time.Now().Add(time.Second)
			s.put(set, nil)
			refresh(t, r)
			time.Sleep(time.Second)
			synctest.Wait()
		}, "v1", true, "no longer used"},
		"unusable": {listed("v2", "bad"), func(*testing.T, *store, *ring.Ring) {}, "bad", true, "never used: its scheme cannot use it"},
		"pending": {listed("v1"), func(t *testing.T, s *store, r *ring.Ring) {
			set := listed("v2", "v1")
			set.Keys[0].NotBefore = time.Now().Add(2 * time.Hour)
			s.put(set, nil)
			refresh(t, r)
			accepted(t, r, "v1")
			time.Sleep(time.Hour)
		}, "v2", false, "it is to become current"},
		"retired": {one("v1"), func(t *testing.T, s *store, r *ring.Ring) {
			s.put(one("v2"), nil)
			refresh(t, r)
		}, "v1", true, "no longer used"},
		"retired and out": {one("v1"), func(t *testing.T, s *store, r *ring.Ring) {
			attempt(t, r, "v1")
			s.put(one("v2"), nil)
			refresh(t, r)
			time.Sleep(time.Hour)
		}, "v1", false, out},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &store{set: c.set}
				r, _ := keep(t, s, ring.WithOverlap(0), ring.WithPrepare(func(k source.Key) (any, error) {
					if k.Version == "bad" {
						return nil, errors.New("cannot be parsed")
					}
					return nil, nil
				}))
				c.do(t, s, r)
				if v := status(t, r, c.version); v.SafeToRevoke != c.safe || !strings.HasPrefix(v.Reason, c.reason) {
					t.Errorf("safe: %v, %q; want %v, %q", v.SafeToRevoke, v.Reason, c.safe, c.reason)
				}
			})
		})
	}
}

// Requests that carry a version when it goes out of use are counted to their end.
func TestFiguresOutliveTheKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: one("v1")}
		r, _ := keep(t, s, ring.WithOverlap(0))
		a, b := attempt(t, r, "v1"), attempt(t, r, "v1")
		s.put(one("v2"), nil)
		refresh(t, r)
		if v := status(t, r, "v1"); v.Role != ring.RoleRetired || v.InFlight != 2 || v.LastUsed.IsZero() {
			t.Errorf("retired: %+v", v)
		}
		a.Accepted()
		b.Refused()
		if v := status(t, r, "v1"); v.Requests != 2 || v.Accepted != 1 || v.Refused != 1 || v.InFlight != 0 || !v.SafeToRevoke {
			t.Errorf("ended: %+v", v)
		}
	})
}

// A key that the source lists again after it was retired is one version, with what is still in
// flight: not one that is in use, and another that is safe to revoke.
//
// F171
func TestKeyThatIsBackIsOneVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: one("v1")}
		r, _ := keep(t, s, ring.WithOverlap(0))
		a := attempt(t, r, "v1")
		for _, v := range []string{"v2", "v1", "v3"} {
			s.put(one(v), nil)
			refresh(t, r)
		}
		st := r.Status().Versions
		if len(st) != 3 || st[1].Version != "v1" || st[1].SafeToRevoke || st[1].InFlight != 1 {
			t.Errorf("%+v", st)
		}
		a.Refused()
		if v := status(t, r, "v1"); !v.SafeToRevoke || v.Refused != 1 {
			t.Errorf("%+v", v)
		}
	})
}

// The times of last use come from sampling: at Status at the latest, and else at
// each reading, so that they are late by no more than a poll interval.
func TestTimesOfLastUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := keep(t, &store{set: listed("v1")}, ring.WithPoll(10*time.Second))
		accepted(t, r, "v1")
		start := time.Now()
		if v := r.Status().Current; !v.LastUsed.Equal(start) || !v.LastAccepted.Equal(start) {
			t.Errorf("at once: %+v", v)
		}
		time.Sleep(time.Hour)
		start = time.Now()
		accepted(t, r, "v1")
		time.Sleep(time.Hour)
		v := r.Status().Current
		for _, at := range []time.Time{v.LastUsed, v.LastAccepted} {
			if at.Before(start) || at.Sub(start) > 11*time.Second {
				t.Errorf("an hour later: %v after the truth", at.Sub(start))
			}
		}
		a := attempt(t, r, "v1")
		a.Unknown()
		if v := r.Status().Current; !v.LastUsed.Equal(time.Now()) || v.LastAccepted.Equal(v.LastUsed) {
			t.Errorf("sent, not accepted: %+v", v)
		}
	})
}

// Revoked keys are out at once, by the source's word or the operator's.
func TestRevoke(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v3", "v2", "v1")}
		r, ev := keep(t, s)
		for range 2 {
			if err := r.Revoke("v3"); err != nil {
				t.Fatal(err)
			}
		}
		a := attempt(t, r, "v2")
		a.Accepted()
		refresh(t, r) // the source still lists v3
		a = attempt(t, r, "v2")
		a.Accepted()
		set := listed("v1")
		set.Revoked = []string{"v2"}
		s.put(set, nil)
		refresh(t, r)
		a = attempt(t, r, "v1")
		a.Accepted()
		s.put(source.Set{Complete: true, Revoked: []string{"v1"}}, nil)
		refresh(t, r)
		if _, err := r.Attempt(t.Context(), true); !errors.Is(err, source.ErrNoKey) {
			t.Errorf("error %v", err)
		}
		if err := r.Revoke("v9"); !errors.Is(err, source.ErrNoKey) {
			t.Errorf("error %v", err)
		}
		synctest.Wait()
		if ev.count(ring.Revoked) != 3 {
			t.Errorf("events %v", ev.kinds())
		}
	})
}
