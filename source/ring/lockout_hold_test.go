package ring_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source/ring"
)

// locking keeps these versions where bad keys lock out and nobody waits.
func locking(t *testing.T, versions ...string) (*ring.Ring, *store) {
	t.Helper()
	s := &store{set: listed(versions...)}
	r, _ := keep(t, s, ring.WithLockout(), ring.WithRefusalWait(0), ring.WithPoll(time.Hour))
	return r, s
}

// refuseAll sends ten requests a second for d, all of which the server refuses,
// and returns how often each version went out.
func refuseAll(t *testing.T, r *ring.Ring, d time.Duration) (sent map[string]int, all int) {
	t.Helper()
	sent = make(map[string]int)
	for start := time.Now(); time.Since(start) < d; time.Sleep(100 * time.Millisecond) {
		a, err := r.Attempt(t.Context(), true)
		for ok := err == nil; ok; {
			sent[a.Version()]++
			all++
			ok = a.Next(t.Context(), false)
		}
	}
	return sent, all
}

// Of many requests that are out with the previous key when the server drops it, one
// goes on with the new key where that was refused and bad keys lock out.
//
// F58, F60
func TestLockoutOfManyAtOnce(t *testing.T) {
	for name, begin := range map[string]func(t *testing.T) (*ring.Ring, []ring.Attempt){
		"the new one is held off": func(t *testing.T) (*ring.Ring, []ring.Attempt) {
			r, _ := locking(t, "v2", "v1")
			fallsBack(t, r, "v2", "v1")
			return r, crowd(t, r)
		},
		"the new one is due": func(t *testing.T) (*ring.Ring, []ring.Attempt) {
			r, _ := locking(t, "v2", "v1")
			fallsBack(t, r, "v2", "v1")
			list := crowd(t, r)
			time.Sleep(time.Minute)
			return r, list
		},
		"everything is refused": func(t *testing.T) (*ring.Ring, []ring.Attempt) {
			r, s := locking(t, "v1")
			accepted(t, r, "v1")
			list := crowd(t, r)
			s.put(listed("v2", "v1"), nil)
			refresh(t, r)
			accepted(t, r, "v2")
			a := attempt(t, r, "v2")
			b := next(t, &a, "v1")
			next(t, &b, "")
			return r, list
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, list := begin(t)
				n := 0
				for i := range list {
					if list[i].Next(t.Context(), false) && list[i].Version() == "v2" {
						n++
					}
				}
				if _, err := r.Attempt(t.Context(), true); err == nil { // the probe
					n++
				}
				if n > 2 {
					t.Errorf("v2 was sent %d times at once", n)
				}
			})
		})
	}
}

// crowd begins fifty requests with v1.
func crowd(t *testing.T, r *ring.Ring) (list []ring.Attempt) {
	t.Helper()
	for range 50 {
		list = append(list, attempt(t, r, "v1"))
	}
	return list
}

// A key that was refused where a newer one was accepted has its turn at most once a
// pause, and only while everything is refused, be it that the newer one came while the
// request waited.
//
// F58, F70, F122
func TestRevokedKeyHasATurnOncePerPause(t *testing.T) {
	bothWays(t, func(t *testing.T, opts ...ring.Option) {
		s := &store{set: listed("v1")}
		r, _ := keep(t, s, append(opts, ring.WithPoll(time.Hour))...)
		accepted(t, r, "v1")
		time.AfterFunc(time.Second, func() { s.put(listed("v2", "v1"), nil) })
		a := attempt(t, r, "v1")
		a = next(t, &a, "v1") // it was accepted a moment ago
		a = next(t, &a, "v2")
		a.Accepted()
		for range 600 {
			accepted(t, r, "v2")
			time.Sleep(time.Second)
		}
		// After 1, 2, 4 s and so on, and then each minute; in a lockout, in turn with v2.
		if sent, _ := refuseAll(t, r, 10*time.Minute); sent["v1"] < 4 || sent["v1"] > 16 {
			t.Errorf("sent %v", sent)
		}
	})
}

// bothWays runs f in a bubble where bad keys lock out, and where they do not.
func bothWays(t *testing.T, f func(*testing.T, ...ring.Option)) {
	t.Run("lockout=false", func(t *testing.T) { synctest.Test(t, func(t *testing.T) { f(t) }) })
	t.Run("lockout=true", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { f(t, ring.WithLockout()) })
	})
}
