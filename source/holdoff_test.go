package source_test

import (
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

// F60: a probe that hangs keeps the others from probing for a while only.
func TestHungProbeDoesNotEndProbing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v2", "v1")}
		r, _ := keep(t, s)
		a := attempt(t, r, "v2")
		b := next(t, &a, "v1")
		b.Accepted()
		time.Sleep(5 * time.Second)
		p := attempt(t, r, "v2") // the probe, a long poll or a hung connection, or one that panicked
		_ = p
		probes := 0
		for range 24 * 60 {
			a, _ := r.Attempt(t.Context(), true)
			if a.Version() == "v2" {
				probes++
			}
			a.Accepted()
			time.Sleep(time.Minute)
		}
		if probes == 0 {
			t.Error("v2 not tried again in 24 h")
		}
	})
}

// F60: whether a refused key is good by now is found out with requests that can
// be sent again, and an outcome that says nothing costs a hold-off, no more.
func TestProbesAreRepeatable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := keep(t, &store{set: listed("v2", "v1")})
		a := attempt(t, r, "v2")
		b := next(t, &a, "v1")
		b.Accepted()
		for range 10 {
			time.Sleep(1200 * time.Millisecond)
			stream, err := r.Attempt(t.Context(), false)
			if err != nil || stream.Version() != "v1" {
				t.Fatalf("a stream probes: %q, %v", stream.Version(), err)
			}
			stream.Accepted()
			probe := attempt(t, r, "v2")
			probe.Unknown()
		}
		time.Sleep(1200 * time.Millisecond)
		a = attempt(t, r, "v2")
		a.Accepted()
	})
}

// F34, F60: the previous key, in use for a refused current one, is refused in its
// turn, by a request that cannot be sent again: the next one tries the current key,
// be it one that cannot be sent again either.
func TestStreamsFindTheWayForward(t *testing.T) {
	for _, repeatable := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			r, _ := keep(t, &store{set: listed("v2", "v1")}, source.WithRefusalWait(0))
			a := attempt(t, r, "v2")
			b := next(t, &a, "v1")
			b.Accepted()
			for range 6 { // the hold-off grows
				time.Sleep(time.Minute)
				a = attempt(t, r, "v2")
				b = next(t, &a, "v1")
				b.Accepted()
			}
			stream, err := r.Attempt(t.Context(), false)
			if err != nil || stream.Version() != "v1" {
				t.Fatalf("%q, %v", stream.Version(), err)
			}
			stream.Refused()
			a, err = r.Attempt(t.Context(), repeatable)
			if err != nil || a.Version() != "v2" {
				t.Fatalf("%q, %v", a.Version(), err)
			}
			a.Accepted()
			a = attempt(t, r, "v2")
			a.Accepted()
		})
	}
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

// While every key is refused, requests that come together do not all try the other
// version: one does.
//
// F58
func TestOthersAreTriedByOneRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := keep(t, &store{set: listed("v2", "v1")}, source.WithPoll(time.Hour), source.WithRefusalWait(0))
		a := attempt(t, r, "v2")
		b := next(t, &a, "v1")
		next(t, &b, "")
		time.Sleep(1200 * time.Millisecond)
		a, b = attempt(t, r, "v2"), attempt(t, r, "v2")
		a = next(t, &a, "v1")
		next(t, &b, "")
		a.Accepted()
		accepted(t, r, "v1")
	})
}

// A key that becomes current again, by the source's word, has a clean slate.
//
// F60, F71
func TestCurrentAgainIsACleanSlate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v2", "v1")}
		r, _ := keep(t, s, source.WithPoll(time.Hour))
		a := attempt(t, r, "v2")
		for range 5 {
			b := next(t, &a, "v1")
			b.Accepted()
			a, _ = probed(t, r, "v2")
		}
		b := next(t, &a, "v1")
		b.Accepted()
		for _, set := range []source.Set{listed("v1", "v2"), listed("v2", "v1")} {
			s.put(set, nil)
			refresh(t, r)
		}
		fallsBack(t, r, "v2", "v1")
		if _, d := probed(t, r, "v2"); !about(d, time.Second) {
			t.Errorf("held off for %v", d)
		}
	})
}

// F60: while a probe is out, a refusal of the key in place of the current one does not
// send another after it.
func TestNoSecondProbeOnARefusalOfTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := keep(t, &store{set: listed("v2", "v1")}, source.WithRefusalWait(0))
		fallsBack(t, r, "v2", "v1")
		time.Sleep(1200 * time.Millisecond)
		stream, err := r.Attempt(t.Context(), false)
		if err != nil || stream.Version() != "v1" {
			t.Fatalf("%q, %v", stream.Version(), err)
		}
		probe := attempt(t, r, "v2")
		stream.Refused()
		other := attempt(t, r, "v1")
		other.Accepted()
		probe.Accepted()
		accepted(t, r, "v2")
	})
}

// F60: nor does a hold-off that another request began while the probe was out.
func TestNoSecondProbeAfterAnotherHoldOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := keep(t, &store{set: listed("v3", "v2", "v1")}, source.WithPoll(time.Hour), source.WithRefusalWait(0))
		fallsBack(t, r, "v3", "v2")
		time.Sleep(1200 * time.Millisecond)
		probe := attempt(t, r, "v3")
		a := attempt(t, r, "v2")
		b := next(t, &a, "v3") // it may have been taken up
		b = next(t, &b, "v1")
		b.Accepted()
		time.Sleep(5 * time.Second)
		accepted(t, r, "v1")
		probe.Unknown()
		if _, d := probed(t, r, "v3"); !about(d, 2*time.Second) {
			t.Errorf("held off for %v after the probe", d)
		}
	})
}
