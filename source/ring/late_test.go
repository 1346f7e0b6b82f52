package ring_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source/ring"
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

// A key that the source has dropped is not sent again, though it was taken up since
// the request left and no other is left.
//
// F63
func TestTakenUpAndDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v2", "v1")}
		r, _ := keep(t, s, ring.WithRefusalWait(0))
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
