package source_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
)

// F59: what left before the switch says nothing about the version that came with it.
func TestLateRefusalDoesNotDemote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: plain("a")}
		r, _ := keep(t, s)
		v1 := r.Version()
		late := attempt(t, r, v1)
		time.Sleep(time.Second)
		v2 := rotate(t, s, r, 0, "b")[0]
		if v1 == v2 {
			t.Fatal("no switch")
		}
		a := attempt(t, r, v2)
		a.Accepted()
		b := next(t, &late, v2)
		b.Accepted()
		a = attempt(t, r, v2)
		a.Accepted()
	})
}

// F59: a refusal that was on its way when its version became current again is old
// news: it does not demote it.
func TestLateRefusalAfterRollback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: plain("a")}
		r, _ := keep(t, s)
		v1 := r.Version()
		late := attempt(t, r, v1)
		time.Sleep(time.Second)
		v2 := rotate(t, s, r, 0, "b")[0]
		s.put(plain("a"), nil)
		refresh(t, r)
		b := next(t, &late, v2)
		b.Accepted()
		a := attempt(t, r, v1)
		a.Accepted()
	})
}

// F60: the new key is refused a moment before the server takes it up and drops
// the old one: by the time of the second attempt the first key is the good one.
func TestTakenUpAMomentLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: plain("a")}
		r, _ := keep(t, s, source.WithRefusalWait(0))
		old := r.Version()
		time.Sleep(time.Second)
		current := rotate(t, s, r, 0, "b")[0]
		early := attempt(t, r, current) // its refusal is on the way
		a := attempt(t, r, current)
		a.Accepted()
		if err := r.Revoke(old); err != nil {
			t.Fatal(err)
		}
		b := next(t, &early, current)
		b.Accepted()
		// What is refused after the key has proved itself is not sent with it again.
		a = attempt(t, r, current)
		next(t, &a, "")
	})
}

// F63: two versions are refused at once; nobody gets back the one that was refused for him.
func TestOverlappingRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: plain("a")}
		r, _ := keep(t, s)
		v1 := attempt(t, r, r.Version())
		time.Sleep(time.Second)
		s.put(plain("b"), nil)
		refresh(t, r)
		v2 := attempt(t, r, r.Version())
		name1, name2 := v1.Version(), v2.Version()
		a, b := next(t, &v1, name2), next(t, &v2, name1)
		s.put(plain("c"), nil)
		if !a.Next(t.Context(), false) || !b.Next(t.Context(), false) || a.Version() != b.Version() || a.Version() == name1 || a.Version() == name2 {
			t.Fatalf("got %q, %q", a.Version(), b.Version())
		}
	})
}

// A refusal of the only key that was on its way when the key was accepted again is
// old news.
//
// F59
func TestLateRefusalOfTheOnlyKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, ev := keep(t, &store{set: listed("v1")}, source.WithRefusalWait(0))
		a, late := attempt(t, r, "v1"), attempt(t, r, "v1")
		next(t, &a, "")
		time.Sleep(2 * time.Second)
		accepted(t, r, "v1")
		late.Refused()
		if st := r.Status(); !st.Healthy || st.Current.State != source.StateAccepted {
			t.Errorf("%+v", st.Current)
		}
		wantKinds(t, ev, "switched v1", "refused v1", "all_refused v1", "recovered v1")
	})
}

// An acceptance that was on its way when its version was refused is old news too.
//
// F59, F60
func TestLateAcceptance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := keep(t, &store{set: listed("v2", "v1")})
		late := attempt(t, r, "v2")
		fallsBack(t, r, "v2", "v1")
		late.Accepted()
		accepted(t, r, "v1")
		if st := r.Status(); st.Current.State != source.StateRefused || st.InUse != "v1" {
			t.Errorf("%s in use, %+v", st.InUse, st.Current)
		}
	})
}

// A request whose context has ended, or whose ring has, is not sent again, though
// there is another key.
//
// F41, F106
func TestNotSentAgainAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := keep(t, &store{set: listed("v2", "v1")})
		ctx, cancel := context.WithCancel(t.Context())
		a, b := attempt(t, r, "v2"), attempt(t, r, "v2")
		cancel()
		if a.Next(ctx, false) {
			t.Error("sent again after its context ended")
		}
		r.Close()
		if b.Next(t.Context(), false) {
			t.Error("sent again after Close")
		}
	})
}

// F63: a request whose only key was taken up meanwhile, and that is refused with it
// again all the same, does not get it a third time.
func TestTakenUpAMomentLaterAndRefusedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := keep(t, &store{set: listed("v1")}, source.WithRefusalWait(0))
		early := attempt(t, r, "v1") // its refusal is on the way
		accepted(t, r, "v1")
		b := next(t, &early, "v1")
		next(t, &b, "")
	})
}

// A key that the source has dropped is not sent again, though it was taken up since
// the request left and no other is left.
//
// F63
func TestTakenUpAndDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v2", "v1")}
		r, _ := keep(t, s, source.WithRefusalWait(0))
		early := attempt(t, r, "v2")
		accepted(t, r, "v2")
		set := listed("v1")
		s.put(set, nil)
		refresh(t, r)
		set.Revoked = []string{"v1"}
		s.put(set, nil)
		refresh(t, r)
		next(t, &early, "")
	})
}

// F59: a probe that comes back after the key was in use again, and was refused again,
// says nothing of the one that is out.
func TestLateProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := keep(t, &store{set: listed("v2", "v1")}, source.WithPoll(time.Hour), source.WithRefusalWait(0))
		fallsBack(t, r, "v2", "v1")
		time.Sleep(1200 * time.Millisecond)
		late := attempt(t, r, "v2")
		time.Sleep(67 * time.Second)
		accepted(t, r, "v2")
		fallsBack(t, r, "v2", "v1")
		time.Sleep(1200 * time.Millisecond)
		probe := attempt(t, r, "v2")
		late.Unknown()
		time.Sleep(5 * time.Second)
		accepted(t, r, "v1")
		probe.Accepted()
		accepted(t, r, "v2")
	})
}
