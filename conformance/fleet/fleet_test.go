// Package fleet keeps ten thousand rings on one clock over one store, and counts
// what the store has to bear: at the start, as a rule, at a rotation and after
// an outage (F77).
package fleet_test

import (
	"context"
	"math"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// F104
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	poll   = 10 * time.Second
	window = 30 * time.Second
)

// The figure to keep within is that of an ideal fleet, which reads evenly at
// random: each of n rings falls into a second with the chance of a second in poll,
// so that the readings in a second have the mean n/poll and the deviation of a
// binomial. A peak is the highest second of a window.
//
//   - Their mean over a phase stays within 3.57 deviations: 1,107/s for 10,000
//     rings, which is the mean peak of an hour of the ideal fleet.
//   - Each single one stays within 5.5 deviations, 1,165/s, which the ideal fleet
//     itself passes once in some fifteen thousand hours.
func most(n int) (mean, peak float64) {
	even := float64(n) / poll.Seconds()
	deviation := math.Sqrt(even * (1 - 1/poll.Seconds()))
	return even + 3.57*deviation, even + 5.5*deviation
}

// A store counts readings by the second.
type store struct {
	mu      sync.Mutex
	begin   time.Time
	seconds []int
	key     source.Key
	down    bool
}

func (s *store) Read(context.Context) (source.Set, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	second := int(time.Since(s.begin) / time.Second)
	for len(s.seconds) <= second {
		s.seconds = append(s.seconds, 0)
	}
	s.seconds[second]++
	if s.down {
		return source.Set{}, source.ErrUnavailable
	}
	return source.Set{Keys: []source.Key{s.key}, Complete: true}, nil
}

func (s *store) String() string { return "store" }

func (s *store) set(version string, down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.key, s.down = source.Key{Version: version, Secret: source.NewSecret("rksentinel_" + version)}, down
}

// count begins to count anew and returns what there was until now.
func (s *store) count() (seconds []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seconds, s.seconds, s.begin = s.seconds, nil, time.Now()
	return seconds
}

func total(seconds []int) (sum, peak int) {
	for _, n := range seconds {
		sum += n
		peak = max(peak, n)
	}
	return sum, peak
}

// A fleet is rings over one store.
type fleet struct {
	t     *testing.T
	store store
	rings []*ring.Ring
}

// start starts n rings at the same moment.
func start(t *testing.T, n int) *fleet {
	f := &fleet{t: t, rings: make([]*ring.Ring, n)}
	f.store.set("v1", false)
	f.store.count()
	var wg sync.WaitGroup
	for i := range f.rings {
		wg.Go(func() {
			keys, err := ring.Keep(t.Context(), &f.store, ring.WithPoll(poll), ring.WithLogger(nil))
			if err != nil {
				t.Error(err)
			}
			f.rings[i] = keys
		})
	}
	wg.Wait()
	return f
}

func (f *fleet) close() {
	var wg sync.WaitGroup
	for _, keys := range f.rings {
		wg.Go(func() { _ = keys.Close() })
	}
	wg.Wait()
}

// peak holds the peaks of three windows to the figure.
func (f *fleet) peak(phase string) {
	f.t.Helper()
	sum, windows := 0, []int{}
	f.store.count()
	for range 3 {
		time.Sleep(window)
		_, peak := total(f.store.count())
		windows = append(windows, peak)
		sum += peak
	}
	mean := float64(sum) / 3
	mostMean, mostPeak := most(len(f.rings))
	f.t.Logf("%-28s peak %6.0f/s, at most %.0f; windows %v, at most %.0f each", phase, mean, mostMean, windows, mostPeak)
	if highest := slices.Max(windows); mean > mostMean || float64(highest) > mostPeak {
		f.t.Errorf("%s: a peak of %d/s, %.0f/s in the mean", phase, highest, mean)
	}
	if mean < mostMean/2 {
		f.t.Errorf("%s: a peak of %.0f/s: nobody polls", phase, mean)
	}
}

// everywhere checks that every ring has the version.
func (f *fleet) everywhere(version string) {
	f.t.Helper()
	for _, keys := range f.rings {
		if v := keys.Version(); v != version {
			f.t.Fatalf("a ring has %s, want %s", v, version)
		}
	}
}

// F77
func TestLoadOnTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, rings)
		defer f.close()

		// A process that starts has no key: one reading each, and no more.
		if sum, _ := total(f.store.count()); sum != rings {
			t.Errorf("%d readings to start %d rings", sum, rings)
		}
		f.peak("after a start as one")
		f.peak("as a rule")

		f.store.set("v2", false)
		f.peak("at a rotation")
		f.everywhere("v2")

		f.store.set("v2", true)
		f.peak("at the start of an outage")
		f.peak("in an outage")

		f.store.set("v3", false)
		f.peak("recovery after an outage")
		f.everywhere("v3")
	})
}

// Each ring's requests are refused before the store has the new key: a ring
// reads the store for all of them together.
//
// F58, F61, F62, F77
func TestLoadWhenTheServerMovesFirst(t *testing.T) {
	// The store has the key just within the refusal wait of 3 s.
	const requests, late = 10, 2900 * time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		f := start(t, rings/10)
		defer f.close()
		time.Sleep(window)
		f.store.count()
		time.AfterFunc(late, func() { f.store.set("v2", false) })
		var wg sync.WaitGroup
		for _, keys := range f.rings {
			for range requests {
				wg.Go(func() {
					a, err := keys.Attempt(t.Context(), true)
					if err != nil {
						t.Error(err)
						return
					}
					if !a.Next(t.Context(), false) || a.Version() != "v2" {
						t.Error("refused, and no other key")
						return
					}
					a.Accepted()
				})
			}
		}
		wg.Wait()
		sum, peak := total(f.store.count())
		t.Logf("%d rings with %d refused requests each: %d readings in %v, peak %d/s", len(f.rings), requests, sum, late, peak)
		// At 0, 0.1, 0.3, 0.7, 1.45, 2.2 and 2.95 s, and polling beside it.
		if each := float64(sum) / float64(len(f.rings)); each > 8 {
			t.Errorf("%.1f readings a ring", each)
		}
	})
}
