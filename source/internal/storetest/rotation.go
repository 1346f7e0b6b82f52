package storetest

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source"
)

// Rotation measures how long it takes from the moment at which put returns, the
// key being in the store, until a request would carry it. It reports p50-ms and
// p99-ms. The ring does not poll.
func Rotation(b *testing.B, src source.Source, put func(source.Key)) {
	b.Helper()
	put(conformance.NewKey(1))
	ring, _ := Keep(b, src)
	put(conformance.NewKey(2))
	Uses(b, ring, 2) // the watch is armed
	var took []time.Duration
	for n := 3; b.Loop(); n++ {
		key := conformance.NewKey(n)
		before := ring.Version()
		put(key)
		stored := time.Now()
		for end := stored.Add(limit); ring.Version() == before; {
			if time.Now().After(end) {
				b.Fatal("never came: key " + strconv.Itoa(n))
			}
			time.Sleep(20 * time.Microsecond) // leave the processors to the others
		}
		took = append(took, time.Since(stored))
	}
	slices.Sort(took)
	at := func(share float64) float64 {
		return float64(took[int(share*float64(len(took)-1))]) / float64(time.Millisecond)
	}
	b.ReportMetric(at(0.50), "p50-ms")
	b.ReportMetric(at(0.99), "p99-ms")
}
