package soak_test

import (
	"os"
	"runtime"
	"testing"
	"time"
)

// A footprint is the resource use of the process.
type footprint struct {
	goroutines, descriptors int
	heap                    int64
}

// settled returns the footprint after closed connections have ended.
func settled(tracks []*track) footprint {
	for _, k := range tracks {
		k.client.CloseIdleConnections()
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	last, same := footprint{}, 0
	for range 250 { // at most 5 s: a server closes its end of a connection after the client
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
	runtime.GC() // twice, because a sync.Pool keeps objects through one collection
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	last.heap = int64(m.HeapAlloc)
	return last
}

// descriptors returns the number of open descriptors, or -1 without /proc/self/fd.
func descriptors() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return -1
	}
	return len(entries)
}

const (
	// A long poll may be open at one measurement and not at the other: that is two
	// descriptors and five goroutines of net/http. The ring may be delivering an
	// event. The slack is for each track; every second one may differ.
	slackGoroutines, slackDescriptors = 3, 1
	// slackHeap allows for buffers and maps that grow to their final size. A leak of
	// 20 bytes per request exceeds it within 10 minutes.
	slackHeap = 2 << 20
	// slackHeapRotation allows for the keys that the mock API and the track keep.
	slackHeapRotation = 3 << 10
)

func (f footprint) compare(t *testing.T, before footprint, tracks, rotations int) {
	t.Helper()
	t.Logf("after the warm-up %d goroutines, %d descriptors, %d KiB; at the end %d, %d, %d KiB",
		before.goroutines, before.descriptors, before.heap>>10, f.goroutines, f.descriptors, f.heap>>10)
	if more, most := f.goroutines-before.goroutines, tracks*slackGoroutines; more > most {
		t.Errorf("%d more goroutines than after the warm-up, want at most %d more", more, most)
	}
	if more, most := f.descriptors-before.descriptors, tracks*slackDescriptors; more > most {
		t.Errorf("%d more descriptors than after the warm-up, want at most %d more", more, most)
	}
	if grown := f.heap - before.heap; grown > slackHeap+int64(rotations)*slackHeapRotation {
		t.Errorf("%d KiB more heap than after the warm-up, after %d rotations", grown>>10, rotations)
	}
}
