package ring_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source/ring"
)

// The wait for another key ends ahead of the request's deadline, so that the refusal
// reaches the caller. A key that comes before that serves the request.
//
// F133
func TestWaitEndsAheadOfTheDeadline(t *testing.T) {
	for _, c := range []struct{ timeout, want time.Duration }{
		{100 * time.Millisecond, 90 * time.Millisecond},
		{time.Second, 900 * time.Millisecond},
		{2 * time.Second, 1900 * time.Millisecond},
		{3050 * time.Millisecond, 2950 * time.Millisecond},
		{time.Minute, 3 * time.Second}, // the default of WithRefusalWait
	} {
		for _, ambiguous := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				s := &store{set: listed("v1")}
				r, _ := keep(t, s, ring.WithPoll(time.Hour))
				defer s.hold()()
				ctx, cancel := context.WithTimeout(t.Context(), c.timeout)
				defer cancel()
				a, start := attempt(t, r, "v1"), time.Now()
				if a.Next(ctx, ambiguous) || ctx.Err() != nil {
					t.Errorf("with %v: another attempt, or the context is over: %v", c.timeout, ctx.Err())
				}
				if d := time.Since(start); d != c.want {
					t.Errorf("with %v, ambiguous=%v: waited %v, want %v", c.timeout, ambiguous, d, c.want)
				}
			})
		}
	}
	synctest.Test(t, func(t *testing.T) {
		s := &pushing{store{set: listed("v1"), kick: make(chan struct{})}}
		r, _ := keep(t, s, ring.WithPoll(time.Hour))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		a := attempt(t, r, "v1")
		time.AfterFunc(850*time.Millisecond, func() {
			s.put(listed("v2"), nil)
			s.kick <- struct{}{}
		})
		if !a.Next(ctx, false) || a.Version() != "v2" {
			t.Errorf("%q, want v2", a.Version())
		}
		a.Accepted()
	})
}

// In a lockout the wait of a request that was not sent ends ahead of its deadline too. If
// its context is canceled, the error says that every key is refused.
//
// F133
func TestLockoutWaitEndsAheadOfTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v1")}
		r, _ := keep(t, s, ring.WithLockout(), ring.WithPoll(time.Hour))
		accepted(t, r, "v1")
		for range 2 {
			a := attempt(t, r, "v1")
			a.Refused()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if _, err := r.Attempt(ctx, true); !errors.Is(err, ring.ErrRefused) || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with a deadline: %v", err)
		}
		if d := time.Since(start); d != 900*time.Millisecond {
			t.Errorf("waited %v", d)
		}
		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if _, err := r.Attempt(ctx, true); !errors.Is(err, ring.ErrRefused) || !errors.Is(err, context.Canceled) {
			t.Errorf("canceled: %v", err)
		}
	})
}
