package ring_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// server is a server that accepts some keys.
type server struct {
	*testing.T
	ring  *ring.Ring
	takes map[string]bool // by secret, without "sentinel-"
}

// serve sends a request every half hour, and returns how many were refused for good.
func (s *server) serve(d time.Duration) (failed int) {
	s.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(30 * time.Minute) {
		a, err := s.ring.Attempt(s.Context(), true)
		if err != nil {
			s.Fatal(err)
		}
		served := false
		for ok := true; ok && !served; {
			key := a.Key()
			if served = s.takes[key.Secret.Expose()[len("sentinel-"):]]; served {
				a.Accepted()
			} else {
				ok = a.Next(s.Context(), false)
			}
		}
		if !served {
			failed++
		}
	}
	return failed
}

// degradedBy returns the kinds of what is degraded.
func degradedBy(r *ring.Ring) string {
	text := ""
	for _, d := range r.Status().Degraded {
		text += string(d.Kind) + " "
	}
	return text
}

// A wrong key in the source, which the server never accepts, ends in no outage: the old key
// is kept past its overlap, and the ring says so. Once the right key is there, the old one
// goes when its overlap is over.
//
// F129
func TestWrongKeyEndsInNoOutage(t *testing.T) {
	for _, wrong := range []int{1, 3, 12} {
		t.Run(fmt.Sprint(wrong), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &store{set: plain("right")}
				r, ev := keep(t, s, ring.WithPoll(10*time.Minute), ring.WithRefusalWait(0))
				srv := &server{t, r, map[string]bool{"right": true}}
				failed := srv.serve(time.Hour)
				old := r.Version()
				for i := range wrong {
					s.put(plain(fmt.Sprintf("wrong-%d", i)), nil)
					failed += srv.serve(time.Hour)
				}
				if st := r.Status(); st.Healthy || !st.Ready || degradedBy(r) != "degraded " {
					t.Errorf("after an hour: healthy %t, ready %t, %+v", st.Healthy, st.Ready, st.Degraded)
				}
				failed += srv.serve(72 * time.Hour)
				if st := r.Status(); st.InUse != old || st.Healthy || degradedBy(r) != "degraded degraded " {
					t.Errorf("after three days: in use %s, healthy %t, %+v", st.InUse, st.Healthy, st.Degraded)
				}
				if n := ev.count(ring.Degraded); n < 72 || n > 76+wrong {
					t.Errorf("told %d times", n)
				}
				s.put(plain("new"), nil)
				srv.takes["new"] = true
				failed += srv.serve(23 * time.Hour)
				if status(t, r, old).Role != ring.RolePrevious || degradedBy(r) != "" || !r.Status().Healthy {
					t.Errorf("within the overlap: %+v", r.Status())
				}
				delete(srv.takes, "right")
				failed += srv.serve(2 * time.Hour)
				if status(t, r, old).Role != ring.RoleRetired || failed > 0 {
					t.Errorf("%d requests failed; after the overlap: %+v", failed, r.Status())
				}
			})
		})
	}
}

// A restart with a cache keeps the old key too, and still knows since when it should be gone.
//
// F129
func TestWrongKeyAndARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, cache := &store{set: plain("right")}, &memory{}
		srv := &server{T: t, takes: map[string]bool{"right": true}}
		failed := 0
		for range 5 {
			r, ev := keep(t, s, ring.WithCache(cache), ring.WithPoll(10*time.Minute), ring.WithRefusalWait(0))
			srv.ring = r
			failed += srv.serve(10 * time.Hour)
			s.put(plain("wrong"), nil)
			failed += srv.serve(10 * time.Hour)
			late := time.Since(time.Date(2000, 1, 1, 10, 0, 0, 0, time.UTC)) >= 24*time.Hour
			st := r.Status().Degraded
			kept := strings.Contains(st[len(st)-1].Reason, "its overlap would have ended at 2000-01-02T10:")
			if kept != late || ev.count(ring.Degraded) == 0 {
				t.Errorf("%v: %+v", time.Now(), st)
			}
			r.Close()
		}
		if failed > 0 {
			t.Errorf("%d requests failed", failed)
		}
	})
}

// After a restart a request does not try the wrong keys one after the other: the cache says
// which key the server accepted last. A key that changes with each restart, as in a
// deployment, does not push the good one out.
//
// F129
func TestSeveralWrongKeysAndARestart(t *testing.T) {
	for name, c := range map[string]struct {
		wrong    int
		restarts bool // with each key
	}{
		"one": {1, false}, "two": {2, false}, "three": {3, false}, "twelve": {12, false}, "twelve, each with a restart": {12, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, cache := &store{set: plain("right")}, &memory{}
				srv := &server{T: t, takes: map[string]bool{"right": true}}
				start := func() {
					if srv.ring != nil {
						srv.ring.Close()
					}
					srv.ring, _ = keep(t, s, ring.WithCache(cache), ring.WithPoll(10*time.Minute), ring.WithRefusalWait(0))
				}
				start()
				failed := srv.serve(time.Hour)
				for i := range c.wrong {
					s.put(plain(fmt.Sprintf("wrong-%d", i)), nil)
					if c.restarts {
						start()
					}
					failed += srv.serve(time.Hour)
				}
				start()
				failed += srv.serve(24 * time.Hour)
				if failed > 0 {
					t.Errorf("%d requests failed", failed)
				}
			})
		})
	}
}

// What ends a key in any case ends it also while its successor is not accepted.
//
// F129
func TestWrongKeyAndTheOldOneRevoked(t *testing.T) {
	for name, end := range map[string]func(s *store, r *ring.Ring) error{
		"here":              func(_ *store, r *ring.Ring) error { return r.Revoke("v1") },
		"by a complete set": func(s *store, r *ring.Ring) error { s.put(listed("v2"), nil); return r.Refresh(context.Background()) },
		"by the source": func(s *store, r *ring.Ring) error {
			set := one("v2")
			set.Revoked = []string{"v1"}
			s.put(set, nil)
			return r.Refresh(context.Background())
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &store{set: one("v1")}
			r, _ := keep(t, s, ring.WithRefusalWait(0))
			accepted(t, r, "v1")
			s.put(one("v2"), nil)
			refresh(t, r)
			fallsBack(t, r, "v2", "v1")
			if err := end(s, r); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if st := r.Status(); st.InUse != "v2" {
				t.Errorf("%s: %+v", name, st)
			}
		})
	}
}

// No key is safe to revoke because its overlap would have ended.
//
// F129
func TestWrongKeyIsNotSafeToRevoke(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: one("v1")}
		r, _ := keep(t, s, ring.WithPoll(time.Hour))
		accepted(t, r, "v1")
		s.put(one("v2"), nil)
		refresh(t, r)
		fallsBack(t, r, "v2", "v1")
		time.Sleep(100 * time.Hour)
		if v := status(t, r, "v1"); v.SafeToRevoke || v.Role != ring.RolePrevious {
			t.Errorf("%+v", v)
		}
	})
}

// The old key is told of in the reason and the event, with what to do.
//
// F129
func TestDegradedSaysWhatToDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v2", "v1")}
		r, ev := keep(t, s)
		fallsBack(t, r, "v2", "v1")
		const want = `requests get version "v1", since the server refuses version "v2", and has never accepted it: ` +
			"make the server accept it, or put the right key into the source"
		st := r.Status().Degraded
		if len(st) != 1 || st[0].Reason != want || st[0].Version != "v1" || st[0].Previous != "v2" || !st[0].Since.Equal(time.Now()) {
			t.Errorf("%+v", st)
		}
		wantKinds(t, ev, "switched v2", "refused v2", "fell_back v1")
		if e := ev.list[len(ev.list)-1]; e.Err == nil || e.Err.Error() != want {
			t.Errorf("%v", e.Err)
		}
	})
}

// Ready is for readiness probes: false only while there is no key to send. Healthy is for
// alerts.
//
// F132
func TestReady(t *testing.T) {
	for name, c := range map[string]struct {
		opts    []ring.Option
		do      func(t *testing.T, s *store, r *ring.Ring)
		ready   bool
		healthy bool
	}{
		"good": {do: func(*testing.T, *store, *ring.Ring) {}, ready: true, healthy: true},
		"stale": {do: func(_ *testing.T, s *store, _ *ring.Ring) {
			s.put(source.Set{}, source.ErrDenied)
			time.Sleep(time.Hour)
		}, ready: true},
		"outdated": {opts: []ring.Option{ring.WithMaxStale(time.Minute)}, do: func(_ *testing.T, s *store, _ *ring.Ring) {
			s.put(source.Set{}, source.ErrDenied)
			time.Sleep(time.Hour)
		}},
		"fell back": {do: func(t *testing.T, _ *store, r *ring.Ring) { fallsBack(t, r, "v2", "v1") }, ready: true},
		"all refused": {do: func(t *testing.T, _ *store, r *ring.Ring) {
			a := attempt(t, r, "v2")
			for a.Next(t.Context(), false) {
			}
		}, ready: true},
		"locked out": {opts: []ring.Option{ring.WithLockout()}, do: func(t *testing.T, _ *store, r *ring.Ring) {
			a := attempt(t, r, "v2")
			for a.Next(t.Context(), false) {
			}
		}, ready: true},
		"no key": {do: func(t *testing.T, s *store, r *ring.Ring) {
			s.put(source.Set{Revoked: []string{"v1", "v2"}}, nil)
			refresh(t, r)
		}},
		"closed": {do: func(_ *testing.T, _ *store, r *ring.Ring) { r.Close() }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &store{set: listed("v2", "v1")}
				r, _ := keep(t, s, append([]ring.Option{ring.WithPoll(10 * time.Second)}, c.opts...)...)
				c.do(t, s, r)
				st := r.Status()
				if st.Ready != c.ready || st.Healthy != c.healthy || st.Healthy != (len(st.Degraded) == 0) {
					t.Errorf("ready %t, healthy %t: %+v", st.Ready, st.Healthy, st.Degraded)
				}
				for _, d := range st.Degraded {
					if d.Reason == "" || d.Kind == "" {
						t.Errorf("%+v", d)
					}
				}
			})
		})
	}
}
