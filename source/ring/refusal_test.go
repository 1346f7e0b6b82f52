package ring_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source/ring"
)

// A refused new key falls back, is held off, probed by one request at a time,
// and promoted by the first success.
//
// F60
func TestRefusedCurrentFallsBackAndIsProbed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v2", "v1")}
		r, ev := keep(t, s, ring.WithPoll(time.Hour))
		a := attempt(t, r, "v2")
		b := next(t, &a, "v1")
		b.Accepted()
		for range 3 {
			c := attempt(t, r, "v1")
			c.Accepted()
		}
		if st := r.Status(); st.InUse != "v1" || st.Current.Version != "v2" || st.Current.State != ring.StateRefused {
			t.Fatalf("status %+v", st)
		}
		time.Sleep(1200 * time.Millisecond)
		probe := attempt(t, r, "v2")
		other := attempt(t, r, "v1") // while the probe is out
		other.Accepted()
		b = next(t, &probe, "v1")
		b.Accepted()
		time.Sleep(1200 * time.Millisecond)
		c := attempt(t, r, "v1") // the hold-off has doubled
		c.Accepted()
		time.Sleep(1200 * time.Millisecond)
		probe = attempt(t, r, "v2")
		probe.Accepted()
		c = attempt(t, r, "v2")
		c.Accepted()
		wantKinds(t, ev, "switched v2", "refused v2", "fell_back v1", "recovered v2")
	})
}

// F58, F64: with every key refused each request is one attempt, and events do not pile up.
func TestAllRefusedIsOneAttemptEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v2", "v1")}
		r, ev := keep(t, s, ring.WithPoll(time.Hour))
		attempts := 0
		for range 1000 {
			a, err := r.Attempt(t.Context(), true)
			for err == nil {
				attempts++
				if !a.Next(t.Context(), false) {
					break
				}
			}
			time.Sleep(10 * time.Millisecond)
		}
		if attempts > 1000+20 {
			t.Errorf("%d attempts for 1000 requests", attempts)
		}
		if n := s.count(); n > 30 { // a second apart at the most
			t.Errorf("%d readings", n)
		}
		synctest.Wait()
		if n := ev.count(ring.AllRefused); n != 1 {
			t.Errorf("%d AllRefused events", n)
		}
		a := attempt(t, r, "v2")
		a.Accepted()
		synctest.Wait()
		if !r.Status().Healthy || ev.count(ring.Recovered) != 1 {
			t.Errorf("not recovered: %v", ev.kinds())
		}
	})
}

// F61, F68: the server moves on before the new key was ever used, and an older
// one that is dead lingers: the request gets to the key that the source brings.
func TestServerMovesOnWithinTheHoldOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: plain("a")}
		r, _ := keep(t, s)
		names := rotate(t, s, r, time.Minute, "a", "b", "c")
		a := attempt(t, r, names[2])
		b := next(t, &a, names[1])
		b.Accepted()
		go func() {
			time.Sleep(time.Second)
			s.put(plain("d"), nil)
		}()
		a = attempt(t, r, names[1])
		b = next(t, &a, names[2])
		b = next(t, &b, names[0])
		if ok := b.Next(t.Context(), false); !ok || slices.Contains(names, b.Version()) {
			t.Fatalf("%v, %q", ok, b.Version())
		}
		b.Accepted()
	})
}

// F70: nor when every key is refused: then it is the current one that is sent.
func TestRefusedPreviousIsNotUsedWhenAllAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v1")}
		r, _ := keep(t, s, ring.WithPoll(time.Hour), ring.WithRefusalWait(0))
		old := attempt(t, r, "v1")
		s.put(listed("v2", "v1"), nil)
		refresh(t, r)
		old = next(t, &old, "v2") // its answer takes a while
		s.put(listed("v3", "v2", "v1"), nil)
		refresh(t, r)
		fallsBack(t, r, "v3", "v2")
		if err := r.Revoke("v2"); err != nil {
			t.Fatal(err)
		}
		old.Accepted()
		a := attempt(t, r, "v3")
		next(t, &a, "")
	})
}

// An attempt that nobody ended ends as unknown.
func TestEnd(t *testing.T) {
	r, _ := keep(t, &store{set: listed("v1")})
	for _, end := range []func(*ring.Attempt){func(*ring.Attempt) {}, (*ring.Attempt).Accepted, (*ring.Attempt).Refused} {
		a := attempt(t, r, "v1")
		end(&a)
		a.End()
		a.End()
	}
	if st := r.Status().Current; st.InFlight != 0 || st.Requests != 3 || st.Accepted != 1 || st.Refused != 1 {
		t.Errorf("%+v", st)
	}
}

// An attempt that is made again with the same key is another one, with an outcome of
// its own; a probe that is made again is none.
//
// F65
func TestAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := keep(t, &store{set: listed("v2", "v1")})
		a := attempt(t, r, "v2")
		a.Again()
		if v := status(t, r, "v2"); v.Requests != 2 || v.InFlight != 1 {
			t.Errorf("sent again: %+v", v)
		}
		a.End()
		a.End()
		if v := status(t, r, "v2"); v.InFlight != 0 || v.State != ring.StateUnknown {
			t.Errorf("ended: %+v", v)
		}
		fallsBack(t, r, "v2", "v1")
		time.Sleep(1200 * time.Millisecond)
		probe := attempt(t, r, "v2")
		probe.Again()
		time.Sleep(1200 * time.Millisecond)
		accepted(t, r, "v2") // the next probe
		probe.Accepted()
		if v := status(t, r, "v2"); v.InFlight != 0 || v.Accepted != 2 || v.Refused != 1 {
			t.Errorf("%+v", v)
		}
	})
}
