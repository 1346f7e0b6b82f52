package ring_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source/ring"
)

// Where bad keys lock out, requests are answered here while every key is refused, and
// each key is tried now and then.
//
// F58
func TestLockout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v2", "v1")}
		r, _ := keep(t, s, ring.WithLockout(), ring.WithPoll(time.Hour))
		sent, local := 0, 0
		for range 600 { // one minute
			a, err := r.Attempt(t.Context(), true)
			if err != nil {
				if !errors.Is(err, ring.ErrRefused) {
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
		tried := make(map[string]bool) // each in its turn, until one is good again
		for !tried["v2"] || !tried["v1"] {
			if a, err := r.Attempt(t.Context(), true); err == nil {
				tried[a.Version()] = true
				a.Next(t.Context(), false)
			}
			if sent++; sent > 400 {
				t.Fatalf("tried in four minutes: %v", tried)
			}
			time.Sleep(time.Second)
		}
		time.Sleep(2 * time.Minute)
		a, err := r.Attempt(t.Context(), true)
		if err != nil {
			t.Fatal(err)
		}
		a.Accepted()
		if v := r.Version(); v != a.Version() {
			t.Errorf("%s was accepted, and %s is in use", a.Version(), v)
		}
	})
}

// While the source is asked for another key, those who come do not send the one that
// was refused, and wait. A key that comes in time serves them all, and is no alarm.
//
// F58, F61
func TestLockoutWaitsForTheSource(t *testing.T) {
	for _, late := range []bool{false, true} {
		t.Run(fmt.Sprint("late=", late), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &store{set: listed("v1")}
				r, ev := keep(t, s, ring.WithLockout(), ring.WithPoll(time.Hour))
				accepted(t, r, "v1")
				if !late {
					time.AfterFunc(time.Second, func() { s.put(listed("v2"), nil) })
				}
				var bad, served, local atomic.Int64
				var wg sync.WaitGroup
				for range 200 {
					wg.Go(func() {
						a, err := r.Attempt(t.Context(), true)
						if errors.Is(err, ring.ErrRefused) {
							local.Add(1)
						}
						for ok := err == nil; ok; {
							if a.Version() == "v2" {
								a.Accepted()
								served.Add(1)
								return
							}
							bad.Add(1)
							ok = a.Next(t.Context(), false)
						}
					})
					time.Sleep(10 * time.Millisecond)
				}
				impatient, cancel := context.WithTimeout(t.Context(), time.Millisecond)
				defer cancel()
				if a, err := r.Attempt(impatient, true); late && !errors.Is(err, ring.ErrRefused) {
					t.Errorf("a context that is about to end: %v", err)
				} else if err == nil {
					a.Unknown()
				}
				wg.Wait()
				if n := bad.Load(); n > 2 { // and once more, should it have been one odd answer
					t.Errorf("a bad key was sent %d times", n)
				}
				if n, m := served.Load(), local.Load(); late != (n == 0) || late != (m > 0) {
					t.Errorf("%d served, %d answered here", n, m)
				}
				synctest.Wait()
				if n := ev.count(ring.AllRefused); (n > 0) != late {
					t.Errorf("events %q", ev.kinds())
				}
			})
		})
	}
}

// A key that is good again ends the waiting for the source.
//
// F58
func TestLockoutEndsWithAnAcceptance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := keep(t, &store{set: listed("v1")}, ring.WithLockout(), ring.WithPoll(time.Hour))
		accepted(t, r, "v1")
		a := attempt(t, r, "v1")
		a.Refused()              // those who come wait for 3 s
		b := attempt(t, r, "v1") // asks once more
		time.AfterFunc(time.Second, b.Accepted)
		start := time.Now()
		accepted(t, r, "v1")
		if d := time.Since(start); d != time.Second {
			t.Errorf("waited for %v", d)
		}
		time.Sleep(time.Minute)
	})
}

// The caller's time is shorter than the source's: bad keys are held off all the same.
//
// F58
func TestLockoutLearnsFromTheImpatient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v1")}
		r, _ := keep(t, s, ring.WithLockout(), ring.WithPoll(time.Hour))
		accepted(t, r, "v1")
		release := s.hold()
		defer release()
		bad := 0
		for start := time.Now(); time.Since(start) < time.Minute; time.Sleep(100 * time.Millisecond) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if a, err := r.Attempt(ctx, true); err == nil {
				bad++
				a.Next(ctx, false)
			}
			cancel()
		}
		if bad > 4 { // and once more at once, after 20 s, after 40 s
			t.Errorf("%d bad keys in a minute", bad)
		}
	})
}

// A question whose answer was about something else, a clock, is settled by the next
// one.
//
// F56, F58
func TestLockoutEndsWithWhatWasSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := keep(t, &store{set: listed("v1")}, ring.WithLockout(), ring.WithRefusalWait(0), ring.WithPoll(time.Hour))
		accepted(t, r, "v1")
		a := attempt(t, r, "v1")
		a.Refused()
		b := attempt(t, r, "v1")
		b.Again()
		b.Accepted()
		accepted(t, r, "v1")
	})
}

// A source that has something new, though nothing to send, is waited for by all as
// long as by one: the key that comes then serves them, and it was no alarm.
//
// F58, F61
func TestLockoutWaitsOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v1")}
		r, ev := keep(t, s, ring.WithLockout(), ring.WithPoll(time.Hour))
		accepted(t, r, "v1")
		time.AfterFunc(time.Second/2, func() {
			set := listed("v3", "v1")
			set.Keys[0].NotBefore = time.Now().Add(time.Hour)
			s.put(set, nil)
		})
		time.AfterFunc(time.Second, func() { s.put(listed("v2", "v1"), nil) })
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				a, err := r.Attempt(t.Context(), true)
				for ok := err == nil; ok && a.Version() != "v2"; {
					ok = a.Next(t.Context(), false)
				}
				if err != nil || a.Version() != "v2" {
					t.Errorf("%v, last sent with %q", err, a.Version())
					return
				}
				a.Accepted()
			})
			synctest.Wait()
		}
		wg.Wait()
		synctest.Wait()
		if n := ev.count(ring.AllRefused); n > 0 {
			t.Errorf("events %q", ev.kinds())
		}
	})
}

// After a refusal of a request that cannot be sent again, too, the next ones wait for
// the source. They do not, where nobody is to wait.
//
// F58, F61
func TestLockoutWaitsAfterAnOrder(t *testing.T) {
	for _, wait := range []time.Duration{0, 3 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			s := &store{set: listed("v1")}
			r, _ := keep(t, s, ring.WithLockout(), ring.WithPoll(time.Hour), ring.WithRefusalWait(wait))
			release := s.hold()
			time.AfterFunc(time.Second, func() { s.put(listed("v2"), nil); release() })
			a := attempt(t, r, "v1")
			a.Refused()
			b, err := r.Attempt(t.Context(), true)
			switch {
			case wait == 0 && !errors.Is(err, ring.ErrRefused):
				t.Errorf("without a wait: %v", err)
			case wait > 0 && (err != nil || b.Version() != "v2"):
				t.Errorf("%q, %v", b.Version(), err)
			}
			if err == nil {
				b.Accepted()
			}
			time.Sleep(time.Minute)
		})
	}
}

// One bad key a hold-off, however many ask at the moment at which the next one begins.
//
// F58
func TestLockoutCountsOnManyCores(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := keep(t, &store{set: listed("v1")}, ring.WithLockout(), ring.WithRefusalWait(0), ring.WithPoll(1000*time.Hour))
		a := attempt(t, r, "v1")
		a.Refused()
		for range 300 {
			time.Sleep(2 * time.Minute)
			probe := attempt(t, r, "v1")
			var ready, more atomic.Int64
			var over atomic.Bool
			var wg sync.WaitGroup
			for range runtime.GOMAXPROCS(0) {
				wg.Go(func() {
					ready.Add(1)
					for !over.Load() {
						if a, err := r.Attempt(t.Context(), true); err == nil {
							more.Add(1)
							a.Refused()
						}
					}
				})
			}
			for ready.Load() < int64(runtime.GOMAXPROCS(0)) {
				runtime.Gosched()
			}
			probe.Refused()
			over.Store(true)
			wg.Wait()
			if n := more.Load(); n > 0 {
				t.Fatalf("%d bad keys more", n)
			}
		}
	})
}
