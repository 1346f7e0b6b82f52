package ring_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// inUse returns the key that requests get.
func inUse(t *testing.T, r *ring.Ring) source.Key {
	t.Helper()
	key, err := r.InUse()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// A version that a session is logged in with is not safe to revoke until the session ends:
// not a minute after the switch, and not when its overlap is over.
//
// F127
func TestPinnedIsNotSafeToRevoke(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: one("v1")}
		r, _ := keep(t, s, ring.WithOverlap(time.Hour))
		accepted(t, r, "v1")
		first, second := r.Pin(inUse(t, r)), r.Pin(inUse(t, r))
		time.Sleep(time.Hour)
		s.put(one("v2"), nil)
		refresh(t, r)
		accepted(t, r, "v2")
		check := func(role ring.Role, pins int64, safe bool) {
			t.Helper()
			v := status(t, r, "v1")
			if v.Role != role || v.Pins != pins || v.SafeToRevoke != safe || pins > 0 && !strings.Contains(v.Reason, "pinned") {
				t.Errorf("%s, %d pins, safe %v: %s; want %s, %d, %v", v.Role, v.Pins, v.SafeToRevoke, v.Reason, role, pins, safe)
			}
		}
		time.Sleep(2 * time.Minute)
		check(ring.RolePrevious, 2, false)
		first()
		first()
		check(ring.RolePrevious, 1, false)
		time.Sleep(time.Hour)
		check(ring.RoleRetired, 1, false)
		again := r.Pin(key("v1")) // it is retired, and known nevertheless
		second()
		check(ring.RoleRetired, 1, false)
		again()
		check(ring.RoleRetired, 0, true)
		r.Pin(key("v9"))()
		if v := status(t, r, "v2"); v.Pins != 0 {
			t.Errorf("%d pins of v2", v.Pins)
		}
	})
}

// InUse and Token hand a key out. For a minute after, it may be on its way.
//
// F127
func TestHandedOutIsNotSafeToRevoke(t *testing.T) {
	for name, take := range map[string]func(*ring.Ring) error{
		"InUse": func(r *ring.Ring) error { _, err := r.InUse(); return err },
		"Token": func(r *ring.Ring) error { _, err := r.Token(context.Background()); return err },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &store{set: one("v1")}
				r, _ := keep(t, s, ring.WithOverlap(0))
				if err := take(r); err != nil { // v1
					t.Fatal(err)
				}
				time.Sleep(30 * time.Second)
				s.put(one("v2"), nil)
				refresh(t, r)
				time.Sleep(29 * time.Second)
				if v := status(t, r, "v1"); v.SafeToRevoke {
					t.Errorf("safe after 59 s: %s", v.Reason)
				}
				time.Sleep(time.Second)
				if v := status(t, r, "v1"); !v.SafeToRevoke {
					t.Errorf("not safe after a minute: %s", v.Reason)
				}
			})
		})
	}
}

// awaits begins an attempt as a connection that is logged in with have does.
func awaits(t *testing.T, r *ring.Ring, have source.Key, version string) ring.Attempt {
	t.Helper()
	a, err := r.Await(t.Context(), have)
	if err != nil {
		t.Fatal(err)
	}
	if a.Version() != version {
		t.Fatalf("logs in with %q, want %q", a.Version(), version)
	}
	return a
}

// Await returns at a switch, at the end of each pause of a refused key, and for no other
// reason.
//
// F137
func TestAwait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: one("v1")}
		r, _ := keep(t, s, ring.WithPoll(time.Second))
		a := awaits(t, r, source.Key{}, "v1")
		a.Accepted()
		begin := time.Now()
		after := func(least, most time.Duration) {
			t.Helper()
			if d := time.Since(begin); d < least || d > most {
				t.Errorf("after %v, want %v to %v", d, least, most)
			}
			begin = time.Now()
		}
		time.AfterFunc(10*time.Second, func() { s.put(listed("v2", "v1"), nil) })
		a = awaits(t, r, key("v1"), "v2")
		after(10*time.Second, 12*time.Second) // a poll later
		a.Refused()
		for pause := time.Second; pause < 5*time.Second; pause *= 2 {
			a = awaits(t, r, key("v1"), "v2")
			after(pause, pause+pause/10)
			a.Refused()
		}
		a = awaits(t, r, key("v1"), "v2")
		a.Accepted()
		begin = time.Now()
		s.put(source.Set{Complete: true, Revoked: []string{"v1", "v2"}}, nil)
		refresh(t, r)
		if r.Version() != "" {
			t.Error("there still is a key")
		}
		time.AfterFunc(time.Minute, func() { s.put(one("v3"), nil) })
		a = awaits(t, r, key("v2"), "v3")
		after(time.Minute, time.Minute+2*time.Second)
		a.End()

		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if _, err := r.Await(ctx, key("v3")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		after(time.Hour, time.Hour+2*time.Second)
		time.AfterFunc(time.Second, func() { _ = r.Close() })
		for _, have := range []string{"v3", "v9"} { // v9: it finds the ring closed
			if _, err := r.Await(t.Context(), key(have)); !errors.Is(err, ring.ErrClosed) {
				t.Errorf("error %v", err)
			}
		}
		var none *ring.Ring
		if _, err := none.Await(t.Context(), source.Key{}); !errors.Is(err, source.ErrNoKey) {
			t.Errorf("error %v", err)
		}
		none.Pin(key("v1"))()
	})
}

// Of a thousand connections one tries the refused key at the end of each pause. When the
// server accepts it, all log in with it, once each.
//
// F137
func TestAThousandAwait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 1000
		s := &store{set: one("v1")}
		r, _ := keep(t, s, ring.WithPoll(time.Second))
		start := time.Now()
		var mu sync.Mutex
		logins, refusals := map[string]int{}, 0
		takes := func(version string) bool { // the server takes v2 after a minute
			mu.Lock()
			defer mu.Unlock()
			if version == "v2" && time.Since(start) < time.Minute {
				refusals++
				return false
			}
			logins[version]++
			return true
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		var wg sync.WaitGroup
		for range n {
			wg.Go(func() {
				var have source.Key
				unpin := func() {}
				defer func() { unpin() }()
				for {
					a, err := r.Await(ctx, have)
					if err != nil {
						return
					}
					time.Sleep(time.Millisecond) // on its way
					if !takes(a.Version()) {
						a.Refused()
						continue
					}
					unpin()
					have, unpin = a.Key(), r.Pin(a.Key())
					a.Accepted()
				}
			})
		}
		time.Sleep(time.Second / 2)
		if v := status(t, r, "v1"); v.Pins != n {
			t.Errorf("%d pins", v.Pins)
		}
		s.put(listed("v2", "v1"), nil)
		wg.Wait()
		// A thousand at the switch, and then one at each of 1, 3, 7, 15, 31 and 63 s.
		if logins["v1"] != n || logins["v2"] != n || refusals > n+6 {
			t.Errorf("logins %v, %d refusals", logins, refusals)
		}
		for _, v := range r.Status().Versions {
			if v.Pins != 0 || v.InFlight != 0 {
				t.Errorf("%+v", v)
			}
		}
	})
}
