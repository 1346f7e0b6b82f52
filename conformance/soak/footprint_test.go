package soak_test

import (
	"os"
	"runtime"
	"testing"
	"time"
)

// A footprint is what the process holds on to.
type footprint struct {
	goroutines, descriptors int
	heap                    int64
}

// settled returns the footprint once connections that are closed have gone.
func settled(tracks []*track) footprint {
	for _, k := range tracks {
		k.client.CloseIdleConnections()
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	last, same := footprint{}, 0
	for range 250 { // 5 s: a server's end of a connection follows the client's
		now := footprint{goroutines: runtime.NumGoroutine(), descriptors: descriptors()}
		if now == last {
			if same++; same == 25 {
				break
			}
		} else {
			last, same = now, 0
		}
		<-tick.C
	}
	runtime.GC() // twice, for what sync.Pool keeps through one
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	last.heap = int64(m.HeapAlloc)
	return last
}

// descriptors returns how many descriptors are open, -1 where nobody says.
func descriptors() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return -1
	}
	return len(entries)
}

const (
	// A long poll is a connection at each end, which at either moment may be
	// there or just about to be: two descriptors, and five goroutines of
	// net/http's. An event may be under way to the log.
	slackGoroutines, slackDescriptors = 8, 4
	// What a run of any length may add: buffers and maps that have grown to their
	// size. A leak of 20 bytes a request shows within 10 minutes.
	slackHeap = 2 << 20
	// The mock API forgets no key that it issued, nor does the track.
	slackHeapRotation = 4 << 10
)

func (f footprint) compare(t *testing.T, before footprint, rotations int) {
	t.Helper()
	t.Logf("after the warm-up %d goroutines, %d descriptors, %d KiB; at the end %d, %d, %d KiB",
		before.goroutines, before.descriptors, before.heap>>10, f.goroutines, f.descriptors, f.heap>>10)
	if f.goroutines > before.goroutines+slackGoroutines {
		t.Errorf("%d more goroutines", f.goroutines-before.goroutines)
	}
	if f.descriptors > before.descriptors+slackDescriptors {
		t.Errorf("%d more descriptors", f.descriptors-before.descriptors)
	}
	if grown := f.heap - before.heap; grown > slackHeap+int64(rotations)*slackHeapRotation {
		t.Errorf("%d KiB more heap after %d rotations", grown>>10, rotations)
	}
}
