package soak_test

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// F01, F04, F05, F07, F16, F17, F19, F26, F50, F59, F60, F61, F67, F71, F74, F75,
// F79, F82, F83, F95, F102, F104
func TestSoak(t *testing.T) {
	long := *duration
	switch {
	case long > 0:
	case testing.Short():
		long = 5 * time.Second
	default:
		long = 30 * time.Second
	}
	from := *seed
	if from == 0 {
		from = rand.Uint64N(1e9) + 1
	}
	t.Logf("to repeat this run: -args -duration=%v -seed=%d", long, from)

	printed := &sweep{t: t}
	tracks := []*track{newFiles(t, from, printed), newEndpoint(t, from, printed)}
	if gateway := newGateway(t, from, printed); gateway != nil {
		tracks = append(tracks, gateway)
	}
	soak := func(d time.Duration) footprint {
		end := time.Now().Add(d)
		var wg sync.WaitGroup
		for _, k := range tracks {
			wg.Go(func() { k.run(end) })
		}
		wg.Wait()
		return settled(tracks)
	}
	before := soak(long / 3)
	after := soak(long - long/3)
	rotations := 0
	for _, k := range tracks {
		rotations += k.judge()
	}
	after.compare(t, before, rotations)
	printed.judge(tracks)
}
