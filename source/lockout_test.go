package source_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
)

// Where bad keys lock out, requests are answered here while every key is refused.
func TestLockout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v2", "v1")}
		r, _ := keep(t, s, source.WithLockout(), source.WithPoll(time.Hour))
		sent, local := 0, 0
		for range 600 { // one minute
			a, err := r.Attempt(true)
			if err != nil {
				if !errors.Is(err, source.ErrRefused) {
					t.Fatal(err)
				}
				local++
			}
			for err == nil {
				sent++
				if !a.Next(t.Context(), false) {
					break
				}
			}
			time.Sleep(100 * time.Millisecond)
		}
		if sent > 5 || local == 0 {
			t.Errorf("%d bad-key attempts reached the server in a minute, %d were answered here", sent, local)
		}
		time.Sleep(2 * time.Minute)
		a := attempt(t, r, "v2")
		a.Accepted()
		a = attempt(t, r, "v2")
		a.Accepted()
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

// F58: where bad keys lock out, one refusal of a good key is asked about at once.
func TestOneOddRefusalDoesNotStopTheClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v1")}
		r, _ := keep(t, s, source.WithLockout(), source.WithRefusalWait(0))
		for range 1000 {
			a := attempt(t, r, "v1")
			a.Accepted()
		}
		a := attempt(t, r, "v1")
		a.Next(t.Context(), false) // one path refuses
		failed := 0
		for range 100 {
			a, err := r.Attempt(true)
			if err != nil {
				failed++
			} else {
				a.Accepted()
			}
			time.Sleep(100 * time.Millisecond)
		}
		if failed > 0 {
			t.Errorf("%d of 100 refused locally after one refusal among 1000 acceptances", failed)
		}
	})
}

// While every key is refused, each hold-off costs one bad key, whatever else there
// is to try; and a refused request is sent twice, never a third time.
//
// F58
func TestLockoutSpendsOneKeyAHoldOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := keep(t, &store{set: listed("v3", "v2", "v1")}, source.WithLockout(), source.WithRefusalWait(0), source.WithPoll(time.Hour))
		fallsBack(t, r, "v3", "v2")
		a := attempt(t, r, "v2")
		b := next(t, &a, "v3")
		next(t, &b, "") // not v1 as well
		sent := 0
		for start := time.Now(); time.Since(start) < 10*time.Minute; time.Sleep(100 * time.Millisecond) {
			a, err := r.Attempt(true)
			for ok := err == nil; ok; {
				sent++
				ok = a.Next(t.Context(), false)
			}
		}
		// v1, and v3 after 20 s, 40 s and then each minute.
		if sent < 8 || sent > 15 {
			t.Errorf("%d bad keys in ten minutes", sent)
		}
	})
}
