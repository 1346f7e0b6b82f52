package source

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// An order that found everything refused goes out with the key that was accepted
// since, though it looks at the clock, for its turn with another, a moment later.
//
// F60
func TestOrderMeetsARecovery(t *testing.T) {
	for name, c := range map[string]struct {
		versions []string
		wait     time.Duration
	}{
		"due to probe":        {[]string{"v2", "v1"}, 2500 * time.Millisecond},
		"due for another key": {[]string{"v3", "v2", "v1"}, 1500 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fake{set: Set{Complete: true}}
				for _, v := range c.versions {
					f.set.Keys = append(f.set.Keys, Key{Version: v, Secret: NewSecret("sentinel-" + v)})
				}
				var meanwhile atomic.Pointer[func()] // the next time somebody looks at the clock
				now := func() time.Time {
					if f := meanwhile.Swap(nil); f != nil {
						(*f)()
					}
					return time.Now()
				}
				r, err := Keep(t.Context(), f, WithLogger(nil), WithPoll(time.Hour), WithRefusalWait(0), withNow(now))
				if err != nil {
					t.Fatal(err)
				}
				defer r.Close()
				begin := func(repeatable bool, want string) *Attempt {
					t.Helper()
					a, err := r.Attempt(t.Context(), repeatable)
					if err != nil || a.Version() != want {
						t.Fatalf("%q, %v, want %q", a.Version(), err, want)
					}
					return &a
				}
				next := func(a *Attempt, want string) {
					t.Helper()
					if !a.Next(t.Context(), false) || a.Version() != want {
						t.Fatalf("%q, want %q", a.Version(), want)
					}
				}
				newest := c.versions[0]
				a := begin(true, newest)
				next(a, c.versions[1])
				a.Accepted()
				for _, v := range c.versions[1:] {
					begin(false, v).Refused()
				}
				probe := begin(true, newest)
				next(probe, "v1")
				time.Sleep(c.wait)
				accept := probe.Accepted
				meanwhile.Store(&accept)
				order := begin(false, "v1")
				order.Accepted()
			})
		})
	}
}
