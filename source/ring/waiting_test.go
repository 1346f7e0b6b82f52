package ring_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source/ring"
)

// F61, F62: the server moved first; 100 refused requests share one reading and
// wait for the source within their own contexts.
func TestServerMovedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &pushing{store{set: plain("a"), kick: make(chan struct{})}}
		r, _ := keep(t, s, ring.WithPoll(time.Hour))
		synctest.Wait()
		before := s.count()
		v1 := r.Version()
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				ctx := t.Context()
				if i == 0 { // the one that leads gives up early
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, 100*time.Millisecond)
					defer cancel()
				}
				a, err := r.Attempt(t.Context(), true)
				if err != nil {
					t.Error(err)
					return
				}
				ok := a.Next(ctx, false)
				if i == 0 {
					if ok {
						t.Error("went on after its context ended")
					}
					return
				}
				if !ok || a.Version() == v1 {
					t.Errorf("request %d was not saved", i)
					return
				}
				a.Accepted()
			})
		}
		time.Sleep(time.Second)
		if n := s.count() - before; n != 1 {
			t.Errorf("%d readings for 100 refused requests", n)
		}
		s.put(plain("b"), nil)
		s.kick <- struct{}{}
		wg.Wait()
		if n := s.count() - before; n != 2 {
			t.Errorf("%d readings, want the shared one and the one after the notice", n)
		}
	})
}

// F61: two rotations follow so closely that the first brings a waiting request
// nothing that helps: it goes on waiting.
func TestTwoRotationsWhileARequestWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v1")}
		r, _ := keep(t, s, ring.WithPoll(time.Hour))
		go func() {
			time.Sleep(500 * time.Millisecond)
			pending := listed("v2", "v1")
			pending.Keys[0].NotBefore = time.Now().Add(time.Hour)
			s.put(pending, nil)
			time.Sleep(time.Second)
			s.put(listed("v3"), nil)
		}()
		a := attempt(t, r, "v1")
		b := next(t, &a, "v3")
		b.Accepted()
	})
}

// F78: the refusal wait bounds the waiting, even if the source hangs.
func TestHungSourceDoesNotHoldUpRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v1")}
		r, _ := keep(t, s, ring.WithPoll(time.Hour))
		s.mu.Lock()
		s.hang = make(chan struct{})
		s.mu.Unlock()
		for i := range 3 {
			a := attempt(t, r, "v1")
			start := time.Now()
			a.Next(t.Context(), false)
			if d := time.Since(start); d > 3100*time.Millisecond {
				t.Errorf("request %d waited %v", i, d)
			}
			time.Sleep(5 * time.Second)
		}
	})
}

// F58: refused requests that cannot be sent again make the ring read, but not each of them.
func TestRefusalsDoNotHammerTheSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v1")}
		r, _ := keep(t, s, ring.WithPoll(time.Hour))
		n := s.count()
		for range 6000 { // a minute
			a := attempt(t, r, "v1")
			a.Refused()
			time.Sleep(10 * time.Millisecond)
		}
		if d := s.count() - n; d < 50 || d > 61 {
			t.Errorf("%d readings in a minute", d)
		}
	})
}

// F61, F64: an address that refuses every key does not take the reading away
// from a request that is refused because the server moved on.
func TestBadAddressDoesNotDisarmRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v1")}
		r, _ := keep(t, s, ring.WithPoll(time.Hour))
		ok := func() {
			a, err := r.Attempt(t.Context(), true)
			if err != nil {
				t.Fatal(err)
			}
			a.Accepted()
		}
		for range 20 { // /forbidden, every 10 s, among good traffic
			ok()
			a := attempt(t, r, "v1")
			b := next(t, &a, "v1")
			next(t, &b, "")
			ok()
			time.Sleep(10 * time.Second)
		}
		ok()
		n := s.count()
		// now the server moves, and the source has it at once
		s.put(listed("v2"), nil)
		a := attempt(t, r, "v1")
		b := next(t, &a, "v1")
		if !b.Next(t.Context(), false) {
			t.Errorf("failed; readings for it: %d", s.count()-n)
		}
	})
}

// F60, F64: while the server takes the old key only, an address that refuses every
// key does no harm to the others.
func TestBadAddressDuringARollOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v2", "v1")}
		r, _ := keep(t, s, ring.WithPoll(time.Hour))
		do := func(takes string) bool {
			a, err := r.Attempt(t.Context(), true)
			for ok := err == nil; ok; {
				if a.Version() == takes {
					a.Accepted()
					return true
				}
				ok = a.Next(t.Context(), false)
			}
			return false
		}
		failed, n := 0, 0
		for i := range 6000 { // ten minutes, ten requests a second
			if i%50 == 49 {
				do("none")
				continue
			} // /forbidden, each 5 s
			n++
			if !do("v1") {
				failed++
			}
			time.Sleep(100 * time.Millisecond)
		}
		if failed > 0 {
			t.Errorf("%d of %d good requests failed although v1 was good all the time", failed, n)
		}
	})
}

// waits sends a request that the server refuses, and reports whether it waited
// for the source. Before it, another is accepted.
func waits(t *testing.T, r *ring.Ring) bool {
	t.Helper()
	accepted(t, r, "v1")
	a := attempt(t, r, "v1")
	start := time.Now()
	a = next(t, &a, "v1")
	next(t, &a, "")
	b := attempt(t, r, "v1")
	b.Accepted()
	return time.Since(start) > time.Second
}

// An address that refuses every key, among good traffic, waits for the source with
// growing pauses, up to a minute; after a good while they begin anew.
//
// F58, F64
func TestWaitingInVainCoolsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := keep(t, &store{set: listed("v1")}, ring.WithPoll(time.Hour))
		var at []time.Duration
		start := time.Now()
		for time.Since(start) < 10*time.Minute {
			begun := time.Since(start)
			if waits(t, r) {
				at = append(at, begun)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if len(at) < 12 || len(at) > 18 { // after 1, 2, 4 ... 32 s, then each minute
			t.Errorf("%d requests waited, at %v", len(at), at)
		}
		time.Sleep(3 * time.Minute)
		first := waits(t, r)
		time.Sleep(1200 * time.Millisecond)
		if second := waits(t, r); !first || !second {
			t.Errorf("after a good while: waited %v, and after 1 s %v", first, second)
		}
	})
}

// Once it has waited in vain, the ring does not wait again for the same key, nor
// call itself healthy, until the key is accepted.
//
// F58
func TestWaitsOnceInVain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := keep(t, &store{set: listed("v1")}, ring.WithPoll(time.Hour))
		accepted(t, r, "v1")
		waited := 0
		for start := time.Now(); time.Since(start) < 10*time.Minute; time.Sleep(100 * time.Millisecond) {
			a, begun := attempt(t, r, "v1"), time.Now()
			for a.Next(t.Context(), false) { // with v1 once more, the first time
			}
			if time.Since(begun) > time.Second {
				waited++
			}
			if r.Status().Healthy {
				t.Fatalf("healthy, with every request refused: after %v %+v", time.Since(start), r.Status())
			}
		}
		if waited != 1 {
			t.Errorf("%d requests waited", waited)
		}
	})
}

// No long stretch of the wait goes by without a look at the source.
//
// F61
func TestKeyThatComesLateInTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v1")}
		r, _ := keep(t, s, ring.WithPoll(time.Hour))
		time.AfterFunc(2200*time.Millisecond, func() { s.put(listed("v2"), nil) })
		a := attempt(t, r, "v1")
		b := next(t, &a, "v2")
		b.Accepted()
	})
}

// A key that the source had already, and that is valid, or taken by the server,
// while a request waits, serves it.
//
// F61, F69
func TestKeyThatIsTakenUpInTheWait(t *testing.T) {
	t.Run("valid by now", func(t *testing.T) {
		bothWays(t, func(t *testing.T, opts ...ring.Option) {
			set := listed("v2", "v1")
			set.Keys[0].NotBefore = time.Now().Add(10 * time.Second)
			r, _ := keep(t, &store{set: set}, append(opts, ring.WithPoll(time.Hour))...)
			accepted(t, r, "v1")
			time.Sleep(9500 * time.Millisecond) // the server's clock is ahead
			a, start := attempt(t, r, "v1"), time.Now()
			a = next(t, &a, "v1")
			b := next(t, &a, "v2")
			b.Accepted()
			if d := time.Since(start); d > time.Second {
				t.Errorf("after %v", d)
			}
		})
	})
	t.Run("accepted by now", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r, _ := keep(t, &store{set: listed("v1")}, ring.WithPoll(time.Hour))
			a, start := attempt(t, r, "v1"), time.Now()
			time.AfterFunc(500*time.Millisecond, func() { accepted(t, r, "v1") })
			b := next(t, &a, "v1")
			b.Accepted()
			if d := time.Since(start); d != 500*time.Millisecond {
				t.Errorf("after %v", d)
			}
		})
	})
}

// A ring that waited in vain waits again once a key was good, be it the previous.
//
// F61
func TestWaitsAgainForThePrevious(t *testing.T) {
	bothWays(t, func(t *testing.T, opts ...ring.Option) {
		s := &store{set: listed("v2", "v1")}
		r, _ := keep(t, s, append(opts, ring.WithPoll(10*time.Hour))...)
		fallsBack(t, r, "v2", "v1")
		a := attempt(t, r, "v1")
		for a.Next(t.Context(), false) { // in vain
		}
		for start := time.Now(); time.Since(start) < time.Hour; time.Sleep(time.Second) {
			a, err := r.Attempt(t.Context(), true)
			for ok := err == nil; ok; {
				if a.Version() == "v1" {
					a.Accepted()
					break
				}
				ok = a.Next(t.Context(), false)
			}
		}
		time.AfterFunc(time.Second, func() { s.put(listed("v3"), nil) })
		b, err := r.Attempt(t.Context(), true)
		for ok := err == nil; ok && b.Version() != "v3"; {
			ok = b.Next(t.Context(), false)
		}
		if b.Version() != "v3" {
			t.Errorf("gave up with %q: %v", b.Version(), err)
		}
	})
}

// The source was too late for one rotation, whose requests waited in vain. The next one
// comes before the pause after that wait is over: its requests wait all the same, since
// another key has become current in between.
//
// F61
func TestWaitsInTheRotationAfterAWaitInVain(t *testing.T) {
	bothWays(t, func(t *testing.T, opts ...ring.Option) {
		s := &store{set: listed("v1")}
		r, _ := keep(t, s, append(opts, ring.WithPoll(time.Hour))...)
		accepted(t, r, "v1")
		for i := range 8 { // the pause grows from one to the next
			last, key := fmt.Sprintf("v%d", 2*i+1), fmt.Sprintf("v%d", 2*i+2)
			a := attempt(t, r, last)
			for a.Next(t.Context(), false) { // in vain
			}
			synctest.Wait()
			s.put(listed(key), nil)
			refresh(t, r)
			accepted(t, r, key)
			served := fmt.Sprintf("v%d", 2*i+3)
			time.AfterFunc(500*time.Millisecond, func() { s.put(listed(served), nil) })
			a = attempt(t, r, key)
			for ok := true; ok && a.Version() != served; {
				ok = a.Next(t.Context(), false)
			}
			if a.Version() != served {
				t.Fatalf("rotation %d: gave up with %s", i, a.Version())
			}
			a.Accepted()
		}
	})
}

// A request waits for the source, and is served since a key is accepted meanwhile. A
// request that is refused later waits its whole time, be it before the first wait would
// have ended or just after.
//
// F61
func TestWaitBeginsAnewAfterAnAcceptance(t *testing.T) {
	for _, later := range []time.Duration{2400 * time.Millisecond, 2600 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			s := &store{set: listed("v1")}
			r, _ := keep(t, s, ring.WithPoll(time.Hour))
			time.AfterFunc(500*time.Millisecond, func() { accepted(t, r, "v1") })
			a := attempt(t, r, "v1")
			a = next(t, &a, "v1") // accepted by now
			a.Accepted()
			time.Sleep(later)
			time.AfterFunc(2200*time.Millisecond, func() { s.put(listed("v2"), nil) })
			for a = attempt(t, r, "v1"); a.Version() == "v1" && a.Next(t.Context(), false); {
			}
			if a.Version() != "v2" {
				t.Fatalf("after %v the request did not wait for v2", later)
			}
			a.Accepted()
		})
	}
}

// An address that refuses every key, among good traffic, does not prolong the wait: the
// pause after it begins as if there had been one such request.
//
// F58
func TestBadAddressDoesNotProlongTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := keep(t, &store{set: listed("v1")}, ring.WithPoll(time.Hour))
		start := time.Now()
		var wg sync.WaitGroup
		for range 3 {
			accepted(t, r, "v1")
			a := attempt(t, r, "v1")
			wg.Go(func() {
				for a.Next(t.Context(), false) {
				}
				if d := time.Since(start); d > 3200*time.Millisecond { // with a last reading
					t.Errorf("waited until %v", d)
				}
			})
			synctest.Wait()
			time.Sleep(500 * time.Millisecond)
		}
		accepted(t, r, "v1")
		wg.Wait()
	})
}

// Of two requests that wait, one is served and one is refused for good: the wait was in
// vain, and a pause begins.
//
// F58
func TestWaitThatHelpedOneOfTwoIsInVain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := keep(t, &store{set: listed("v1")}, ring.WithPoll(time.Hour))
		time.AfterFunc(500*time.Millisecond, func() { accepted(t, r, "v1") })
		good, bad := attempt(t, r, "v1"), attempt(t, r, "v1")
		var wg sync.WaitGroup
		wg.Go(func() {
			for bad.Next(t.Context(), false) {
				time.Sleep(time.Millisecond) // until the other is served
			}
		})
		good = next(t, &good, "v1")
		good.Accepted()
		wg.Wait()
		if waits(t, r) {
			t.Error("the next request waited too")
		}
	})
}
