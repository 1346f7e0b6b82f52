package ring_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// restless is a source that has something new at each reading.
type restless struct {
	store
	list func(n int) source.Set
}

func (s *restless) Read(context.Context) (source.Set, error) {
	s.mu.Lock()
	s.reads++
	n := s.reads
	s.mu.Unlock()
	time.Sleep(10 * time.Millisecond)
	return s.list(n), nil
}

// A source that has something new at each reading, but no key that helps, holds a
// refused request no longer than one that has nothing, and is not read without end.
//
// F58, F61
func TestRestlessSourceHelpsNobody(t *testing.T) {
	for name, list := range map[string]func(n int) source.Set{
		"new names": func(n int) source.Set { return called(fmt.Sprintf("%d=a", n)) },
		"settles":   func(n int) source.Set { return called(fmt.Sprintf("%d=a", min(n, 20))) }, // after 2 s
		"pending": func(n int) source.Set {
			set := listed(fmt.Sprintf("pending-%d", n), "v1")
			set.Keys[0].NotBefore = time.Now().Add(time.Hour)
			return set
		},
	} {
		for _, c := range []struct {
			opts     []ring.Option
			doubtful bool
			wait     time.Duration
			readings int
		}{
			{nil, false, 3 * time.Second, 40},
			{[]ring.Option{ring.WithLockout()}, false, 3 * time.Second, 40},
			{[]ring.Option{ring.WithRefusalWait(0)}, false, 0, 1},
			{nil, true, 0, 1},
		} {
			t.Run(fmt.Sprintf("%s, %d options, doubtful %v, wait %v", name, len(c.opts), c.doubtful, c.wait), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := &restless{list: list}
					r, _ := keep(t, s, append(c.opts, ring.WithPoll(1000*time.Hour))...)
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					defer cancel()
					a, err := r.Attempt(t.Context(), true)
					if err != nil {
						t.Fatal(err)
					}
					before, start := s.count(), time.Now()
					if a.Next(ctx, c.doubtful) {
						t.Error("sent again")
					}
					if d, n := time.Since(start), s.count()-before; d > c.wait+100*time.Millisecond || n > c.readings {
						t.Errorf("waited %v, for %d readings", d, n)
					}
				})
			})
		}
	}
}
