// Package fleet measures the load that 10,000 rings put on one store: at the start, in
// normal operation, during a rotation, and during and after an outage (F77).
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

// most returns the limits for n rings. They come from an ideal fleet, in which each
// ring reads at a random time within each polling interval. The number of readings in
// a second then has a binomial distribution with mean n/poll. The peak of a window is
// the number in its busiest second.
//
//   - mean limits the mean of the peaks of a phase to 3.57 standard deviations above
//     the mean: 1,107/s for 10,000 rings. It is the mean hourly peak of an ideal fleet.
//   - peak limits each peak to 5.5 standard deviations: 1,165/s. An ideal fleet exceeds
//     it once in about 15,000 hours.
func most(n int) (mean, peak float64) {
	even := float64(n) / poll.Seconds()
	deviation := math.Sqrt(even * (1 - 1/poll.Seconds()))
	return even + 3.57*deviation, even + 5.5*deviation
}

// A store is a source that counts its readings in each second.
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

// count returns the readings in each second since the last call, and resets them.
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

// A fleet is many rings over one store.
type fleet struct {
	t     *testing.T
	store store
	rings []*ring.Ring
}

// start starts n rings at the same time.
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

// peak measures three windows and compares their peaks with the limits.
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
		f.t.Errorf("%s: highest peak %d/s, want at most %.0f; mean peak %.0f/s, want at most %.0f", phase, highest, mostPeak, mean, mostMean)
	}
	if mean < mostMean/2 {
		f.t.Errorf("%s: mean peak %.0f/s: the rings do not poll", phase, mean)
	}
}

// everywhere checks that the version is current in every ring.
func (f *fleet) everywhere(version string) {
	f.t.Helper()
	for _, keys := range f.rings {
		if v := keys.Version(); v != version {
			f.t.Fatalf("a ring has current version %s, want %s", v, version)
		}
	}
}

// F77
func TestLoadOnTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, rings)
		defer f.close()

		if sum, _ := total(f.store.count()); sum != rings {
			t.Errorf("%d readings to start %d rings, want one for each", sum, rings)
		}
		f.peak("after a start together")
		f.peak("in normal operation")

		f.store.set("v2", false)
		f.peak("during a rotation")
		f.everywhere("v2")

		f.store.set("v2", true)
		f.peak("at the start of an outage")
		f.peak("during an outage")

		f.store.set("v3", false)
		f.peak("after an outage")
		f.everywhere("v3")
	})
}

// The server refuses the requests of all rings before the store has the new key. Each
// ring reads the store once for all its requests together.
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
						t.Error("the ring found no new key after a refusal")
						return
					}
					a.Accepted()
				})
			}
		}
		wg.Wait()
		sum, peak := total(f.store.count())
		t.Logf("%d rings with %d refused requests each: %d readings in %v, peak %d/s", len(f.rings), requests, sum, late, peak)
		// A ring reads at 0, 0.1, 0.3, 0.7, 1.45, 2.2 and 2.95 s, and polls in addition.
		if each := float64(sum) / float64(len(f.rings)); each > 8 {
			t.Errorf("%.1f readings per ring, want at most 8", each)
		}
	})
}
