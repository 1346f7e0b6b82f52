package source_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
)

// probed sends a request each tenth of a second, all of which another version
// than v serves, until one is sent with v; it returns how long that took.
func probed(t *testing.T, r *source.Ring, v string) (source.Attempt, time.Duration) {
	t.Helper()
	for start := time.Now(); time.Since(start) < time.Hour; time.Sleep(100 * time.Millisecond) {
		a, err := r.Attempt(true)
		if err != nil {
			continue // locked out
		}
		if a.Version() == v {
			return a, time.Since(start)
		}
		a.Accepted()
	}
	t.Fatalf("%s was not tried in an hour", v)
	return source.Attempt{}, 0
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
		r, _ := keep(t, &store{set: listed("v2", "v1")}, source.WithPoll(time.Hour))
		var a source.Attempt
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

// A probe of which nothing is known costs the same pause again, not a longer one.
//
// F60
func TestUnknownProbeDoesNotDouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := keep(t, &store{set: listed("v2", "v1")}, source.WithPoll(time.Hour))
		fallsBack(t, r, "v2", "v1")
		for range 5 {
			a, d := probed(t, r, "v2")
			if !about(d, time.Second) {
				t.Errorf("held off for %v", d)
			}
			a.Unknown()
		}
	})
}

// A probe that was not sent after all leaves its turn to the next request.
//
// F60
func TestDroppedProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := keep(t, &store{set: listed("v2", "v1")}, source.WithPoll(time.Hour))
		fallsBack(t, r, "v2", "v1")
		time.Sleep(1200 * time.Millisecond)
		a := attempt(t, r, "v2")
		b := attempt(t, r, "v1") // one at a time
		b.Accepted()
		a.Drop()
		accepted(t, r, "v2")
		if v := status(t, r, "v2"); v.Requests != 2 || v.InFlight != 0 {
			t.Errorf("%+v", v)
		}
	})
}

// While every key is refused, a request gets one try with another version only
// when that one's hold-off is over, and the hold-off grows.
//
// F58, F64
func TestOthersAreTriedNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := keep(t, &store{set: listed("v2", "v1")}, source.WithPoll(time.Hour), source.WithRefusalWait(0))
		tries := 0
		for range 6000 { // ten minutes, ten a second
			a, err := r.Attempt(true)
			for ok := err == nil; ok; {
				tries++
				a, ok = a.Next(t.Context(), false)
			}
			time.Sleep(100 * time.Millisecond)
		}
		// 1 s, 2 s, 4 s ... 32 s, then each minute, for one other version.
		if extra := tries - 6000; extra < 10 || extra > 20 {
			t.Errorf("%d attempts more than requests", extra)
		}
	})
}

// A newer key that is refused where an older one is accepted is not given up for
// good: it may be on its way. When everything else fails it is tried.
//
// F60, F68
func TestNewerKeyIsNotGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := keep(t, &store{set: listed("v3", "v2", "v1")}, source.WithPoll(time.Hour), source.WithRefusalWait(0))
		fallsBack(t, r, "v3", "v2")
		a := attempt(t, r, "v2")
		b := next(t, &a, "v3")
		b = next(t, &b, "v1") // v1 is what the server takes
		b.Accepted()
		accepted(t, r, "v1")
		served := 0
		for range 600 { // now it takes v2, and nothing else
			a, err := r.Attempt(true)
			for ok := err == nil; ok; {
				if a.Version() == "v2" {
					a.Accepted()
					served++
					break
				}
				a, ok = a.Next(t.Context(), false)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if served < 500 {
			t.Errorf("%d of 600 requests were served by v2", served)
		}
	})
}

// waits sends a request that the server refuses, and reports whether it waited
// for the source. Before it, another is accepted.
func waits(t *testing.T, r *source.Ring) bool {
	t.Helper()
	accepted(t, r, "v1")
	a := attempt(t, r, "v1")
	start := time.Now()
	next(t, &a, "")
	b := attempt(t, r, "v1")
	b.Accepted()
	return time.Since(start) > time.Second
}

// An address that refuses every key, among good traffic, waits for the source with
// growing pauses, up to a minute; after a good while they begin anew.
//
// F58, F64
func TestWaitingInVainCoolsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := keep(t, &store{set: listed("v1")}, source.WithPoll(time.Hour))
		var at []time.Duration
		start := time.Now()
		for time.Since(start) < 10*time.Minute {
			begun := time.Since(start)
			if waits(t, r) {
				at = append(at, begun)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if len(at) < 12 || len(at) > 18 { // after 1, 2, 4 ... 32 s, then each minute
			t.Errorf("%d requests waited, at %v", len(at), at)
		}
		time.Sleep(3 * time.Minute)
		first := waits(t, r)
		time.Sleep(1200 * time.Millisecond)
		if second := waits(t, r); !first || !second {
			t.Errorf("after a good while: waited %v, and after 1 s %v", first, second)
		}
	})
}

// Where bad keys lock out, a key that was good is asked about once more at once,
// and then held off for 20 s, 40 s, a minute: not asked about again and again.
func TestLockoutAsksOnceMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := keep(t, &store{set: listed("v1")}, source.WithLockout(), source.WithRefusalWait(0), source.WithPoll(time.Hour))
		accepted(t, r, "v1")
		var pauses []time.Duration
		a := attempt(t, r, "v1")
		for range 6 {
			next(t, &a, "")
			var d time.Duration
			a, d = probed(t, r, "v1")
			pauses = append(pauses, d.Truncate(10*time.Second))
		}
		a.Accepted()
		want := []time.Duration{0, 20 * time.Second, 40 * time.Second, time.Minute, time.Minute, time.Minute}
		if !slices.Equal(pauses, want) {
			t.Errorf("held off for %v, want %v", pauses, want)
		}
	})
}
