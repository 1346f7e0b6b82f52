package ring_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// readings counts how often a source is read in a while.
func readings(s interface{ count() int }, d time.Duration) int {
	before := s.count()
	time.Sleep(d)
	return s.count() - before
}

// Without WithPoll the source's own word sets the interval, between 1 s and 1 h,
// for as long as it gives it.
//
// F81
func TestSourceSetsTheInterval(t *testing.T) {
	for name, c := range map[string]struct {
		fresh       time.Duration
		opts        []ring.Option
		over        time.Duration
		least, most int
	}{
		"none":      {0, nil, time.Hour, 109, 134},
		"10 min":    {10 * time.Minute, nil, 10 * time.Hour, 54, 67},
		"too short": {time.Nanosecond, nil, time.Minute, 54, 67},
		"too long":  {1000 * time.Hour, nil, 10 * time.Hour, 9, 12},
		"overruled": {time.Second, []ring.Option{ring.WithPoll(10 * time.Minute)}, 10 * time.Hour, 54, 67},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				set := listed("v1")
				set.FreshFor = c.fresh
				s := &store{set: set}
				keep(t, s, c.opts...)
				if n := readings(s, c.over); n < c.least || n > c.most {
					t.Errorf("%d readings in %v, want %d to %d", n, c.over, c.least, c.most)
				}
				s.put(listed("v1"), nil) // it has nothing to say any more
				time.Sleep(2 * time.Hour)
				if n := readings(s, time.Hour); c.opts == nil && (n < 109 || n > 134) {
					t.Errorf("%d readings in an hour without its word", n)
				}
			})
		})
	}
}

// The age is that of what the source said, which may be a copy; nothing is newer than now.
//
// F76
func TestAgeOfACopy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v1")}
		r, ev := keep(t, s, ring.WithPoll(time.Hour), ring.WithStaleAfter(10*time.Minute), ring.WithMaxStale(30*time.Minute))
		for _, c := range []struct {
			asOf  time.Duration
			age   time.Duration
			stale bool
			dead  bool
		}{
			{-5 * time.Minute, 5 * time.Minute, false, false},
			{-20 * time.Minute, 20 * time.Minute, true, false},
			{time.Hour, 0, false, false},
			{-40 * time.Minute, 40 * time.Minute, true, true},
		} {
			set := listed("v1")
			set.AsOf = time.Now().Add(c.asOf)
			s.put(set, nil)
			refresh(t, r)
			_, err := r.Attempt(t.Context(), true)
			if st := r.Status(); st.Age != c.age || !st.LastRead.Equal(time.Now().Add(-c.age)) || st.Stale != c.stale || (err != nil) != c.dead {
				t.Errorf("as of %v: age %v, stale %v, %v", c.asOf, st.Age, st.Stale, err)
			}
		}
		synctest.Wait()
		if n := ev.count(ring.Stale); n != 2 {
			t.Errorf("%d stale events", n)
		}
	})
}

// A key that expires is asked about from a minute before its end on, however long
// the interval, so that its successor is in use while it is good.
func TestAsksAMinuteAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := listed("v1")
		set.Keys[0].ExpiresAt = time.Now().Add(10 * time.Minute)
		s := &store{set: set}
		r, _ := keep(t, s, ring.WithPoll(1000*time.Hour))
		time.Sleep(9*time.Minute - time.Second)
		if n := readings(s, 31*time.Second); n < 6 || n > 7 {
			t.Errorf("%d readings in the first 30 s, want one each 5 s", n)
		}
		s.put(listed("v2"), nil)
		time.Sleep(6 * time.Second)
		accepted(t, r, "v2")
	})
}

// So is a key that becomes current by the clock, shortly before that minute.
func TestAsksAMinuteAheadOfAShortLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		set := listed("v2", "v1")
		set.Keys[0].NotBefore, set.Keys[0].ExpiresAt = now.Add(30*time.Second), now.Add(95*time.Second)
		s := &store{set: set}
		r, _ := keep(t, s, ring.WithPoll(1000*time.Hour))
		time.Sleep(41 * time.Second)
		s.put(listed("v3"), nil)
		time.Sleep(5 * time.Second)
		accepted(t, r, "v3")
	})
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
		r, _ := keep(t, s, ring.WithPoll(time.Hour))
		time.Sleep(10 * time.Second)
		for i := range 6 {
			time.Sleep(30*time.Minute - 20*time.Second)
			issue(fmt.Sprintf("v%d", i+1))
			for range 100 {
				time.Sleep(100 * time.Millisecond)
				a, err := r.Attempt(t.Context(), true)
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

// Without a key, the source is read at once, and then each 5 s, however long the interval.
func TestKeyIsWantedBadly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v1")}
		r, _ := keep(t, s, ring.WithPoll(1000*time.Hour))
		before := s.count()
		if err := r.Revoke("v1"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n := s.count() - before; n != 1 {
			t.Errorf("%d readings at once", n)
		}
		time.Sleep(time.Hour)
		s.put(listed("v2"), nil)
		time.Sleep(6 * time.Second)
		accepted(t, r, "v2")
	})
}

// A source that fails is asked about once a minute however long the interval, and
// while there are keys no more often than one that is up.
//
// F75, F77
func TestFailingSourceIsAskedEachMinute(t *testing.T) {
	for name, c := range map[string]struct {
		poll, over  time.Duration
		least, most int // between two readings lie 54 s to 90 s
	}{
		"seldom polled": {10 * time.Minute, 31 * time.Minute, 13, 35},
		"often polled":  {time.Minute, 4 * time.Minute, 2, 5},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &store{set: listed("v1")}
				keep(t, s, ring.WithPoll(c.poll))
				s.put(source.Set{}, source.ErrUnavailable)
				if n := readings(s, c.over); n < c.least || n > c.most {
					t.Errorf("%d readings in %v, want %d to %d", n, c.over, c.least, c.most)
				}
			})
		})
	}
	t.Run("at the start", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &store{err: source.ErrUnavailable}
			start := time.Now()
			time.AfterFunc(2*time.Hour, func() { s.put(listed("v1"), nil) })
			keep(t, s, ring.WithPoll(time.Hour))
			if d := time.Since(start) - 2*time.Hour; d > 90*time.Second {
				t.Errorf("started %v after the source was there", d)
			}
		})
	})
}

// F77: what a source asks for is kept within bounds.
func TestRetryAfterIsClamped(t *testing.T) {
	for _, ask := range []time.Duration{time.Nanosecond, 100 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			s := &store{set: listed("v1")}
			keep(t, s, ring.WithPoll(time.Second))
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

// Staleness is told of at its time, also if nothing else happens then: three
// intervals after the last good reading, whoever sets the interval.
//
// F76
func TestStaleAtItsTime(t *testing.T) {
	for name, c := range map[string]struct {
		fresh time.Duration
		opts  []ring.Option
		want  time.Duration
	}{
		"default":        {0, nil, 90 * time.Second},
		"the source's":   {7 * time.Minute, nil, 21 * time.Minute},
		"WithPoll":       {time.Second, []ring.Option{ring.WithPoll(9 * time.Minute)}, 27 * time.Minute},
		"WithStaleAfter": {0, []ring.Option{ring.WithStaleAfter(17 * time.Minute), ring.WithPoll(1000 * time.Hour)}, 17 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				set := listed("v1")
				set.FreshFor = c.fresh
				s := &store{set: set}
				r, ev := keep(t, s, c.opts...)
				synctest.Wait()
				start := time.Now()
				s.put(source.Set{}, source.ErrUnavailable)
				time.Sleep(c.want - 1)
				synctest.Wait()
				if ev.count(ring.Stale) != 0 {
					t.Errorf("too soon: %q", ev.kinds())
				}
				time.Sleep(time.Nanosecond)
				synctest.Wait()
				if ev.count(ring.Stale) != 1 || !r.Status().Stale || ev.list[len(ev.list)-1].Time.Sub(start) != c.want {
					t.Errorf("%q", ev.kinds())
				}
				accepted(t, r, "v1") // they are used all the same
			})
		})
	}
}

// Keys that are too old are out of use at their time, also if nothing else happens then.
//
// F76
func TestMaxStaleAtItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v1")}
		r, _ := keep(t, s, ring.WithMaxStale(17*time.Minute), ring.WithStaleAfter(time.Hour), ring.WithPoll(1000*time.Hour))
		s.put(source.Set{}, source.ErrUnavailable)
		time.Sleep(17*time.Minute - 1)
		synctest.Wait()
		if _, err := r.InUse(); err != nil {
			t.Errorf("too soon: %v", err)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if _, err := r.Attempt(t.Context(), true); !errors.Is(err, ring.ErrStale) {
			t.Errorf("error %v", err)
		}
	})
}

// noted notes when it is read.
type noted struct {
	store
	at []time.Time
}

func (n *noted) Read(ctx context.Context) (source.Set, error) {
	n.mu.Lock()
	n.at = append(n.at, time.Now())
	n.mu.Unlock()
	return n.store.Read(ctx)
}

// Clients that lost their key at the same moment do not ask for another at the
// same moments, whatever it is that they wait for.
//
// F77
func TestEveryWaitIsJittered(t *testing.T) {
	for name, err := range map[string]error{
		"for the source to come back":      source.ErrUnavailable,
		"for as long as it asks":           &source.Error{Source: "store", Err: source.ErrUnavailable, RetryAfter: 10 * time.Second},
		"for a successor that may be used": nil,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := key("v1")
				k.ExpiresAt = time.Now().Add(time.Minute)
				later := key("v2")
				later.NotBefore = time.Now().Add(time.Hour)
				set := source.Set{Keys: []source.Key{later, k}, Complete: true}
				var herd [50]noted
				for i := range herd {
					herd[i].set = set
					keep(t, &herd[i], ring.WithPoll(time.Hour))
				}
				for i := range herd {
					herd[i].put(set, err)
				}
				time.Sleep(10 * time.Minute)
				waits := make(map[time.Duration]bool)
				for i := range herd {
					herd[i].mu.Lock()
					at := herd[i].at
					herd[i].mu.Unlock()
					waits[at[len(at)-1].Sub(at[len(at)-2])] = true
				}
				if len(waits) < len(herd)*9/10 {
					t.Errorf("%d clients, %d waits", len(herd), len(waits))
				}
			})
		})
	}
}
