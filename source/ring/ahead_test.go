package ring_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source/ring"
)

// The source is ahead of the server by two rotations: the key that was accepted
// last is tried too, and serves until the server has a newer one.
//
// F60, F68
func TestSourceTwoAheadOfTheServer(t *testing.T) {
	for name, opts := range map[string][]ring.Option{"": nil, "lockout": {ring.WithLockout()}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &store{set: listed("v1")}
				r, _ := keep(t, s, append(opts, ring.WithPoll(time.Hour))...)
				accepted(t, r, "v1")
				for _, versions := range [][]string{{"v2", "v1"}, {"v3", "v2", "v1"}, {"v4", "v3", "v2", "v1"}} {
					s.put(listed(versions...), nil)
					refresh(t, r)
				}
				a := attempt(t, r, "v4")
				b := next(t, &a, "v3")
				c := next(t, &b, "v1")
				c.Accepted()
				accepted(t, r, "v1") // not v2, which no server took yet
				time.Sleep(time.Minute)
				accepted(t, r, "v4") // by a probe
				accepted(t, r, "v4")
			})
		})
	}
}
