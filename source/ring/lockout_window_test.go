package ring_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// pendingToo is v1, and v3, which is not to be used for an hour.
func pendingToo() source.Set {
	set := listed("v3", "v1")
	set.Keys[0].NotBefore = time.Now().Add(time.Hour)
	return set
}

// News that help nobody do not end the asking for those who wait in a lockout.
//
// F61
func TestLockoutWaitsThroughUselessNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v1")}
		r, _ := keep(t, s, ring.WithLockout(), ring.WithPoll(time.Hour))
		time.AfterFunc(500*time.Millisecond, func() { s.put(pendingToo(), nil) })
		time.AfterFunc(time.Second, func() { s.put(listed("v2", "v1"), nil) })
		a := attempt(t, r, "v1")
		a.Refused() // an order: it does not wait itself
		accepted(t, r, "v2")
	})
}

// Nor do they keep the alarm back.
//
// F61
func TestLockoutAlarmsDespiteUselessNews(t *testing.T) {
	for name, opts := range map[string][]ring.Option{"waiting": nil, "without a wait": {ring.WithRefusalWait(0)}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &store{set: listed("v1")}
				r, ev := keep(t, s, append(opts, ring.WithLockout(), ring.WithPoll(10*time.Hour))...)
				s.put(pendingToo(), nil)
				a := attempt(t, r, "v1")
				a.Refused()
				time.Sleep(19 * time.Second)
				synctest.Wait()
				if ev.count(ring.AllRefused) != 1 {
					t.Errorf("events %q", ev.kinds())
				}
			})
		})
	}
}

// While a request that met an odd refusal is sent again, those who come wait for what
// becomes of it, and it is no alarm.
//
// F61, F123
func TestLockoutWaitsForWhatIsSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, ev := keep(t, &store{set: listed("v1")}, ring.WithLockout(), ring.WithPoll(time.Hour))
		accepted(t, r, "v1")
		a := attempt(t, r, "v1")
		a = next(t, &a, "v1")
		time.AfterFunc(200*time.Millisecond, a.Accepted)
		start := time.Now()
		accepted(t, r, "v1")
		if d := time.Since(start); d != 200*time.Millisecond {
			t.Errorf("waited for %v", d)
		}
		time.Sleep(time.Minute)
		wantKinds(t, ev, "switched v1", "refused v1", "recovered v1")
	})
}

// A key that was reported as refused, and is good again before it is an alarm, is
// reported as recovered.
//
// F61
func TestRecoveredBeforeTheAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, ev := keep(t, &store{set: listed("v1")}, ring.WithLockout(), ring.WithPoll(time.Hour))
		accepted(t, r, "v1")
		a := attempt(t, r, "v1")
		a.Refused()
		accepted(t, r, "v1")
		time.Sleep(time.Minute)
		wantKinds(t, ev, "switched v1", "refused v1", "recovered v1")
	})
}
