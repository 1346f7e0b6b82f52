package source_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
)

// F03, F61: a source that can notify and does not, or First over one that cannot,
// is read again while refused requests wait.
func TestSilentNotifierIsAskedAgain(t *testing.T) {
	for _, kind := range []string{"plain", "silent", "first"} {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var src source.Source
				var put func(source.Set)
				switch kind {
				case "plain":
					s := &store{set: listed("v1")}
					src, put = s, func(x source.Set) { s.put(x, nil) }
				case "silent":
					s := &pushing{store{set: listed("v1"), kick: make(chan struct{})}}
					src, put = s, func(x source.Set) { s.put(x, nil) }
				case "first":
					s := &store{set: listed("v1")}
					src, put = source.First(s), func(x source.Set) { s.put(x, nil) }
				}
				r, _ := keep(t, src, source.WithPoll(time.Minute*5))
				synctest.Wait()
				time.Sleep(time.Second)
				time.AfterFunc(time.Second, func() { put(listed("v2")) })
				a := attempt(t, r, "v1")
				b, ok := a.Next(t.Context(), false)
				if !ok {
					t.Fatal("request failed although the source had v2 after 1 s")
				}
				b.Accepted()
			})
		})
	}
}

// A key that expires is asked about before it does, however long the interval.
func TestAsksForASuccessor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := listed("v1")
		set.Keys[0].ExpiresAt = time.Now().Add(10 * time.Minute)
		s := &store{set: set}
		r, _ := keep(t, s, source.WithPoll(time.Hour))
		time.Sleep(5 * time.Minute)

		s.put(listed("v2"), nil)
		time.Sleep(6 * time.Minute)
		synctest.Wait()
		_, err := r.Attempt(true)
		time.Sleep(10 * time.Second)
		_, err2 := r.Attempt(true)
		if err2 != nil {
			t.Errorf("%v; %v", err, err2)
		}
	})
}

// F61, F64: an address that refuses every key does not take the reading away
// from a request that is refused because the server moved on.
func TestBadAddressDoesNotDisarmRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v1")}
		r, _ := keep(t, s, source.WithPoll(time.Hour))
		ok := func() {
			a, err := r.Attempt(true)
			if err != nil {
				t.Fatal(err)
			}
			a.Accepted()
		}
		for range 20 { // /forbidden, every 10 s, among good traffic
			ok()
			a, _ := r.Attempt(true)
			if _, again := a.Next(t.Context(), false); again {
				t.Fatal()
			}
			ok()
			time.Sleep(10 * time.Second)
		}
		ok()
		n := s.count()
		// now the server moves, and the source has it at once
		s.put(listed("v2"), nil)
		a := attempt(t, r, "v1")
		if _, again := a.Next(t.Context(), false); !again {
			t.Errorf("failed; readings for it: %d", s.count()-n)
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

// F58: refused requests that cannot be sent again make the ring read, but not each of them.
func TestRefusalsDoNotHammerTheSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v1")}
		r, _ := keep(t, s, source.WithPoll(time.Hour))
		n := s.count()
		for range 6000 { // a minute
			a := attempt(t, r, "v1")
			a.Refused()
			time.Sleep(10 * time.Millisecond)
		}
		if d := s.count() - n; d > 61 {
			t.Errorf("%d readings in a minute", d)
		}
	})
}

// F69: a key that is listed before its time does not end the overlap of the one before.
func TestOverlapRunsFromTheReplacement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: source.Set{Keys: []source.Key{key("v1")}}}
		r, ev := keep(t, s, source.WithOverlap(time.Hour), source.WithPoll(time.Minute))
		k := key("v2")
		k.NotBefore = time.Now().Add(3 * time.Hour)
		s.put(source.Set{Keys: []source.Key{k}}, nil)
		refresh(t, r)
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if _, err := r.Attempt(true); err != nil {
			t.Errorf("%v %q", err, ev.kinds())
		}
	})
}

// F16: a variable and its _PREVIOUS may hold the same.
func TestSameKeyTwiceInASet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := plain("a")
		set.Keys = append(set.Keys, set.Keys[0])
		s := &store{set: set}
		r, _ := keep(t, s)
		if err := r.Refresh(t.Context()); err != nil {
			t.Errorf("first reading fine, second: %v", err)
		}
	})
}

// F58, F65: doubtful refusals that nothing helps against are not all tried again.
func TestDoubtfulRefusalsAreNotDoubled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, opts := range [][]source.Option{nil, {source.WithLockout()}} {
			s := &store{set: listed("v2", "v1")}
			r, _ := keep(t, s, opts...)
			sent := 0
			for range 1000 {
				a, err := r.Attempt(true)
				if err != nil {
					continue
				}
				for ok := true; ok; {
					sent++
					a, ok = a.Next(t.Context(), true)
				}
				time.Sleep(10 * time.Millisecond)
			}
			if sent > 1050 {
				t.Errorf("%d attempts for 1000 requests", sent)
			}
		}
	})
}

// F76: a restart knows how old the cached keys are, not how old their version is.
func TestCacheKeepsTheAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &memory{}
		s := &store{set: listed("v1")}
		r, _ := keep(t, s, source.WithCache(c), source.WithMaxStale(time.Hour), source.WithPoll(time.Minute))
		time.Sleep(5 * time.Hour)
		r.Close()
		s.put(source.Set{}, source.ErrUnavailable)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		r2, err := source.Keep(ctx, s, source.WithLogger(nil), source.WithCache(c), source.WithMaxStale(time.Hour))
		if err != nil {
			t.Fatalf("restart a moment after a good reading: %v", err)
		}
		r2.Close()
	})
}

// F78: the refusal wait bounds the waiting, even if the source hangs.
func TestHungSourceDoesNotHoldUpRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v1")}
		r, _ := keep(t, s, source.WithPoll(time.Hour))
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

// One finding is one event, not one for each poll.
func TestOneFindingIsReportedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: plain("good")}
		r, ev := keep(t, s, source.WithPoll(10*time.Second), source.WithPrepare(func(k source.Key) (any, error) {
			if strings.Contains(k.Secret.Expose(), "bad") {
				return nil, source.ErrUnusable
			}
			return nil, nil
		}))
		_ = r
		s.put(plain("bad"), nil)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if n := ev.count(source.RefreshFailed); n > 3 {
			t.Errorf("%d RefreshFailed for one finding", n)
		}
	})
}

// A failed save is tried again.
func TestCacheIsSavedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &memory{}
		s := &store{set: listed("v1")}
		r, _ := keep(t, s, source.WithCache(c), source.WithPoll(time.Minute))
		synctest.Wait()
		c.failNext()
		s.put(listed("v2"), nil)
		refresh(t, r)
		time.Sleep(5 * time.Hour)
		r.Close()
		if !strings.Contains(string(c.data), "sentinel-v2") {
			t.Error("v2 is not in the cache 5 h after one failed save")
		}
	})
}

// F60: a probe that hangs keeps the others from probing for a while only.
func TestHungProbeDoesNotEndProbing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v2", "v1")}
		r, _ := keep(t, s)
		a := attempt(t, r, "v2")
		b := next(t, &a, "v1")
		b.Accepted()
		time.Sleep(5 * time.Second)
		p := attempt(t, r, "v2") // the probe, a long poll or a hung connection, or one that panicked
		_ = p
		probes := 0
		for range 24 * 60 {
			a, _ := r.Attempt(true)
			if a.Version() == "v2" {
				probes++
			}
			a.Accepted()
			time.Sleep(time.Minute)
		}
		if probes == 0 {
			t.Error("v2 not tried again in 24 h")
		}
	})
}

// F60, F64: while the server takes the old key only, an address that refuses every
// key does no harm to the others.
func TestBadAddressDuringARollOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v2", "v1")}
		r, _ := keep(t, s, source.WithPoll(time.Hour))
		do := func(takes string) bool {
			a, err := r.Attempt(true)
			for ok := err == nil; ok; {
				if a.Version() == takes {
					a.Accepted()
					return true
				}
				a, ok = a.Next(t.Context(), false)
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

// F83: a set that would leave nothing to use does not replace one that works.
func TestNothingLeftToUse(t *testing.T) {
	for name, change := range map[string]func() source.Set{
		"pending": func() source.Set {
			set := listed("v3")
			set.Keys[0].NotBefore = time.Now().Add(time.Hour)
			return set
		},
		"expired": func() source.Set {
			set := listed("v3")
			set.Keys[0].ExpiresAt = time.Now().Add(-time.Hour)
			return set
		},
		"another revoked": func() source.Set { return source.Set{Complete: true, Revoked: []string{"v1"}} },
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &store{set: listed("v2", "v1")}
			r, _ := keep(t, s)
			s.put(change(), nil)
			if err := r.Refresh(t.Context()); name != "another revoked" && !errors.Is(err, source.ErrNoKey) {
				t.Errorf("%s: error %v", name, err)
			}
			a := attempt(t, r, "v2")
			a.Accepted()
		})
	}
}

// F60: whether a refused key is good by now is found out with requests that can
// be sent again, and an outcome that says nothing costs a hold-off, no more.
func TestProbesAreRepeatable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := keep(t, &store{set: listed("v2", "v1")})
		a := attempt(t, r, "v2")
		b := next(t, &a, "v1")
		b.Accepted()
		for range 10 {
			time.Sleep(1200 * time.Millisecond)
			stream, err := r.Attempt(false)
			if err != nil || stream.Version() != "v1" {
				t.Fatalf("a stream probes: %q, %v", stream.Version(), err)
			}
			stream.Accepted()
			probe := attempt(t, r, "v2")
			probe.Unknown()
		}
		time.Sleep(1200 * time.Millisecond)
		a = attempt(t, r, "v2")
		a.Accepted()
	})
}

// F34, F60: the previous key, in use for a refused current one, is refused in its
// turn, by a request that cannot be sent again: the next one tries the current key,
// be it one that cannot be sent again either.
func TestStreamsFindTheWayForward(t *testing.T) {
	for _, repeatable := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			r, _ := keep(t, &store{set: listed("v2", "v1")}, source.WithRefusalWait(0))
			a := attempt(t, r, "v2")
			b := next(t, &a, "v1")
			b.Accepted()
			for range 6 { // the hold-off grows
				time.Sleep(time.Minute)
				a = attempt(t, r, "v2")
				b = next(t, &a, "v1")
				b.Accepted()
			}
			stream, err := r.Attempt(false)
			if err != nil || stream.Version() != "v1" {
				t.Fatalf("%q, %v", stream.Version(), err)
			}
			stream.Refused()
			a, err = r.Attempt(repeatable)
			if err != nil || a.Version() != "v2" {
				t.Fatalf("%q, %v", a.Version(), err)
			}
			a.Accepted()
			a = attempt(t, r, "v2")
			a.Accepted()
		})
	}
}

// A check that takes its time holds up nothing but the reading that it belongs to.
func TestSlowCheckBlocksNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		s := &store{set: listed("v1")}
		r, _ := keep(t, s, source.WithPrepare(func(k source.Key) (any, error) {
			if k.Version == "v2" {
				<-release
			}
			return nil, nil
		}))
		s.put(listed("v2", "v1"), nil)
		go r.Refresh(t.Context())
		synctest.Wait()
		if r.Status().InUse != "v1" {
			t.Error("v1 is not in use")
		}
		closed := make(chan struct{})
		go func() { r.Close(); close(closed) }()
		<-closed // in fake time: a deadlock ends the test
		close(release)
	})
}

// An attempt that nobody ended ends as unknown.
func TestEnd(t *testing.T) {
	r, _ := keep(t, &store{set: listed("v1")})
	for _, end := range []func(*source.Attempt){func(*source.Attempt) {}, (*source.Attempt).Accepted, (*source.Attempt).Refused} {
		a := attempt(t, r, "v1")
		end(&a)
		a.End()
		a.End()
	}
	if st := r.Status().Current; st.InFlight != 0 || st.Requests != 3 || st.Accepted != 1 || st.Refused != 1 {
		t.Errorf("%+v", st)
	}
}

// F60: the new key is refused a moment before the server takes it up and drops
// the old one: by the time of the second attempt the first key is the good one.
func TestTakenUpAMomentLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: plain("a")}
		r, _ := keep(t, s, source.WithRefusalWait(0))
		old := r.Version()
		time.Sleep(time.Second)
		s.put(plain("b"), nil)
		refresh(t, r)
		current := r.Version()
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

// F61: two rotations follow so closely that the first brings a waiting request
// nothing that helps: it goes on waiting.
func TestTwoRotationsWhileARequestWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v1")}
		r, _ := keep(t, s, source.WithPoll(time.Hour))
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

// F77: what a source asks for is kept within bounds, and jittered.
func TestRetryAfterIsClamped(t *testing.T) {
	for _, ask := range []time.Duration{time.Nanosecond, 100 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			s := &store{set: listed("v1")}
			keep(t, s, source.WithPoll(time.Second))
			s.put(source.Set{}, &source.Error{Source: "store", Err: source.ErrUnavailable, RetryAfter: ask})
			time.Sleep(10 * time.Second)
			before := s.count()
			time.Sleep(time.Hour)
			if n := s.count() - before; ask > time.Hour && (n < 10 || n > 14) || ask < time.Second && n > 4000 {
				t.Errorf("%d readings in an hour, asked to wait %v", n, ask)
			}
		})
	}
}

// A key that ends before the pending one begins leaves a gap: that is to be told.
//
// F17
func TestExpiringDespiteALateSuccessor(t *testing.T) {
	for begins, told := range map[time.Duration]int{6 * time.Hour: 1, 2 * time.Hour: 0, time.Hour: 0} {
		synctest.Test(t, func(t *testing.T) {
			set := listed("v1", "v2")
			set.Keys[0].ExpiresAt = time.Now().Add(2 * time.Hour)
			set.Keys[1].NotBefore = time.Now().Add(begins)
			_, ev := keep(t, &store{set: set})
			synctest.Wait()
			if n := ev.count(source.Expiring); n != told {
				t.Errorf("successor in %v: expiring was told %d times", begins, n)
			}
		})
	}
}

// A source such as x/oauth2's has the next token 10 s before the old one's end
// only, and a poll interval may be longer than a token lives.
//
// F17
func TestAsksUntilASuccessorIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{}
		issue := func(version string) {
			set := listed(version)
			set.Keys[0].ExpiresAt = time.Now().Add(30 * time.Minute)
			s.put(set, nil)
		}
		issue("v0")
		r, _ := keep(t, s, source.WithPoll(time.Hour))
		time.Sleep(10 * time.Second)
		for i := range 6 {
			time.Sleep(30*time.Minute - 20*time.Second)
			issue(fmt.Sprintf("v%d", i+1))
			for range 100 {
				time.Sleep(100 * time.Millisecond)
				a, err := r.Attempt(true)
				if err != nil {
					t.Fatalf("token %d: %v", i, err)
				}
				a.Accepted()
			}
		}
		if n := s.count(); n > 6*20 {
			t.Errorf("%d readings", n)
		}
	})
}

// Whoever heard that the source fails hears that it reads again.
//
// F07
func TestReadsAgainIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v1")}
		_, ev := keep(t, s, source.WithPoll(time.Minute))
		synctest.Wait()
		told := ev.count(source.Refreshed)
		s.put(source.Set{}, source.ErrUnavailable)
		time.Sleep(time.Hour)
		if ev.count(source.RefreshFailed) != 1 || ev.count(source.Stale) != 1 {
			t.Errorf("%q", ev.kinds())
		}
		s.put(listed("v1"), nil)
		time.Sleep(time.Hour)
		if n := ev.count(source.Refreshed) - told; n != 1 {
			t.Errorf("told %d times that it reads again", n)
		}
	})
}

// While there are keys, a source that is down is asked no more often than one
// that is up; without any, soon.
//
// F77
func TestRetriesAreNoDenserThanPolling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v1")}
		r, _ := keep(t, s, source.WithPoll(10*time.Second))
		before := s.count()
		s.put(source.Set{}, source.ErrUnavailable)
		time.Sleep(5 * time.Minute)
		if n := s.count() - before; n < 26 || n > 34 {
			t.Errorf("read %d times in 30 intervals", n)
		}
		r.Revoke("v1")
		before = s.count()
		time.Sleep(2 * time.Second)
		if n := s.count() - before; n < 1 {
			t.Errorf("without a key it was not read")
		}
	})
}
