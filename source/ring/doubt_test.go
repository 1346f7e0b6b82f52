package ring_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source/ring"
)

// doubt has a request doubtfully refused until nothing is left to try, and
// returns the versions that it was sent with.
func doubt(t *testing.T, r *ring.Ring, accepted string) (tried []string) {
	t.Helper()
	a, err := r.Attempt(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	for ok := true; ok; ok = a.Next(t.Context(), true) {
		tried = append(tried, a.Version())
		if a.Version() == accepted {
			a.Accepted()
			return tried
		}
	}
	return tried
}

// The server moved first and its refusal is doubtful: the source is asked, and
// the order goes through.
//
// F57, F65
func TestDoubtfulRefusalAsksTheSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v1")}
		r, _ := keep(t, s, ring.WithPoll(time.Hour))
		s.put(listed("v2", "v1"), nil)
		if tried := doubt(t, r, "v2"); len(tried) != 2 || tried[1] != "v2" {
			t.Errorf("sent with %q", tried)
		}
	})
}

// An address for which the key has no permission is asked again and again: the
// source is not read, nor another key tried, each time. That ends with a new key.
//
// F58, F65
func TestDoubtsInVainAreHeldOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v2", "v1")}
		r, _ := keep(t, s, ring.WithPoll(time.Hour))
		before, attempts := s.count(), 0
		for range 600 { // ten minutes
			attempts += len(doubt(t, r, ""))
			time.Sleep(time.Second)
		}
		reads := s.count() - before
		if reads > 25 || attempts-600 > 25 || reads < 5 {
			t.Errorf("%d readings, %d attempts for 600 requests", reads, attempts)
		}
		if st := r.Status(); st.InUse != "v2" || st.Current.State == ring.StateRefused {
			t.Errorf("%+v", st)
		}
		// Files first: the server does not know the new key yet.
		s.put(listed("v3", "v2"), nil)
		refresh(t, r)
		if tried := doubt(t, r, "v2"); len(tried) != 2 || tried[1] != "v2" {
			t.Errorf("after a switch: sent with %q", tried)
		}
	})
}

// F58, F65: doubtful refusals that nothing helps against are not all tried again.
func TestDoubtfulRefusalsAreNotDoubled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, opts := range [][]ring.Option{nil, {ring.WithLockout()}} {
			s := &store{set: listed("v2", "v1")}
			r, _ := keep(t, s, opts...)
			sent := 0
			for range 1000 {
				a, err := r.Attempt(t.Context(), true)
				if err != nil {
					continue
				}
				for ok := true; ok; {
					sent++
					ok = a.Next(t.Context(), true)
				}
				time.Sleep(10 * time.Millisecond)
			}
			if sent > 1050 {
				t.Errorf("%d attempts for 1000 requests", sent)
			}
		}
	})
}

// A doubtful refusal and a plain one at the same time: the first gets its reading
// and no more, the second waits for the key that is on its way.
//
// F57, F61, F65
func TestDoubtfulAndPlainRefusalAtOnce(t *testing.T) {
	for _, first := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			s := &store{set: listed("v1")}
			r, _ := keep(t, s, ring.WithPoll(time.Hour))
			a, _ := r.Attempt(t.Context(), true)
			a.Accepted()
			start := time.Now()
			took := make(map[bool]time.Duration)
			var mu sync.Mutex
			var wg sync.WaitGroup
			refused := func(doubtful bool) {
				a, _ := r.Attempt(t.Context(), true)
				ok := a.Next(t.Context(), doubtful)
				if ok && !doubtful { // with v1 once more, which was accepted a moment ago
					ok = a.Next(t.Context(), false)
				}
				if ok {
					a.Accepted()
				}
				if ok == doubtful {
					t.Errorf("doubtful %t, first %t: sent again %t", doubtful, first, ok)
				}
				mu.Lock()
				defer mu.Unlock()
				took[doubtful] = time.Since(start)
			}
			s.hang = make(chan struct{})
			wg.Go(func() { refused(first) })
			synctest.Wait()
			wg.Go(func() { refused(!first) })
			synctest.Wait()
			close(s.hang)
			time.Sleep(300 * time.Millisecond)
			s.put(listed("v2"), nil)
			wg.Wait()
			if took[true] != 0 || took[false] < 300*time.Millisecond || took[false] > time.Second {
				t.Errorf("the doubtful one took %v, the plain one %v", took[true], took[false])
			}
		})
	}
}
