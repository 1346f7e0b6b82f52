package ring_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source/ring"
)

// probed sends a request each tenth of a second, all of which another version
// than v serves, until one is sent with v; it returns how long that took.
func probed(t *testing.T, r *ring.Ring, v string) (ring.Attempt, time.Duration) {
	t.Helper()
	for start := time.Now(); time.Since(start) < time.Hour; time.Sleep(100 * time.Millisecond) {
		a, err := r.Attempt(t.Context(), true)
		if err != nil {
			continue // locked out
		}
		if a.Version() == v {
			return a, time.Since(start)
		}
		a.Accepted()
	}
	t.Fatalf("%s was not tried in an hour", v)
	return ring.Attempt{}, 0
}

// about reports whether a hold-off of d was kept, with its jitter and the tenth
// of a second that probed is late.
func about(got, d time.Duration) bool { return got >= d && got <= d+d/10+100*time.Millisecond }

// The hold-off doubles from 1 s to 1 min while a key goes on being refused, also
// if it is taken now and then, and begins at 1 s again only when the key has done
// well for a minute.
//
// F60, F64
func TestHoldOffDoublesAndFallsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := keep(t, &store{set: listed("v2", "v1")}, ring.WithPoll(time.Hour))
		var a ring.Attempt
		refused := func(want time.Duration) {
			t.Helper()
			b := next(t, &a, "v1")
			b.Accepted()
			var d time.Duration
			if a, d = probed(t, r, "v2"); !about(d, want) {
				t.Errorf("held off for %v, want %v", d, want)
			}
		}
		a = attempt(t, r, "v2")
		for _, want := range []time.Duration{1, 2, 4, 8} {
			refused(want * time.Second)
		}
		a.Accepted() // it flaps: taken, and refused again
		time.Sleep(50 * time.Second)
		a = attempt(t, r, "v2")
		for _, want := range []time.Duration{16, 32, 60, 60} {
			refused(want * time.Second)
		}
		a.Accepted()
		time.Sleep(70 * time.Second)
		a = attempt(t, r, "v2")
		refused(time.Second)
		a.Accepted()
	})
}

// While every key is refused, a request gets one try with another version only
// when that one's hold-off is over, and the hold-off grows.
//
// F58, F64
func TestOthersAreTriedNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := keep(t, &store{set: listed("v2", "v1")}, ring.WithPoll(time.Hour), ring.WithRefusalWait(0))
		tries := 0
		for range 6000 { // ten minutes, ten a second
			a, err := r.Attempt(t.Context(), true)
			for ok := err == nil; ok; {
				tries++
				ok = a.Next(t.Context(), false)
			}
			time.Sleep(100 * time.Millisecond)
		}
		// 1 s, 2 s, 4 s ... 32 s, then each minute, for one other version.
		if extra := tries - 6000; extra < 10 || extra > 20 {
			t.Errorf("%d attempts more than requests", extra)
		}
	})
}
