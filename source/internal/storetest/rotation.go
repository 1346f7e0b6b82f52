package storetest

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// Rotation measures the time from the return of put, which makes the n-th key the newest in
// the store, until a request would use that key. It reports p50-ms and p99-ms. The ring does
// not poll unless opts say so.
func Rotation(b *testing.B, src source.Source, put func(n int), opts ...ring.Option) {
	b.Helper()
	measure(b, src, put, opts, func(keys *ring.Ring, before string) {
		for end := time.Now().Add(limit); keys.Version() == before; {
			if time.Now().After(end) {
				b.Fatal("the key never came")
			}
			time.Sleep(20 * time.Microsecond) // let other goroutines run
		}
	})
}

// Polled measures the same for a ring that polls each second, and for a request that was sent
// with the old key and refused. After put, the n-th key must be the only one in the store.
func Polled(b *testing.B, open func(b *testing.B) (src source.Source, put func(n int))) {
	poll := []ring.Option{ring.WithPoll(time.Second)}
	b.Run("poll=1s", func(b *testing.B) {
		src, put := open(b)
		Rotation(b, struct{ source.Source }{src}, put, poll...)
	})
	b.Run("refused", func(b *testing.B) {
		src, put := open(b)
		measure(b, struct{ source.Source }{src}, put, poll, func(keys *ring.Ring, before string) {
			a, err := keys.Attempt(b.Context(), true)
			if err != nil {
				b.Fatal(err)
			}
			for a.Version() == before {
				if !a.Next(b.Context(), false) {
					b.Fatal("no other key")
				}
			}
			a.Accepted()
		})
	})
}

func measure(b *testing.B, src source.Source, put func(n int), opts []ring.Option, wait func(keys *ring.Ring, before string)) {
	put(1)
	keys, _ := Keep(b, src, opts...)
	put(2)
	Uses(b, keys, 2) // now the watch has begun
	var took []time.Duration
	for n := 3; b.Loop(); n++ {
		time.Sleep(5 * time.Millisecond) // no two rotations in one refusal window
		before := keys.Version()
		put(n)
		stored := time.Now()
		wait(keys, before)
		took = append(took, time.Since(stored))
		if key, err := keys.InUse(); err != nil || !key.SameContent(conformance.NewKey(n)) {
			b.Fatal("not key " + strconv.Itoa(n))
		}
	}
	slices.Sort(took)
	at := func(share float64) float64 {
		return float64(took[int(share*float64(len(took)-1))]) / float64(time.Millisecond)
	}
	b.ReportMetric(at(0.50), "p50-ms")
	b.ReportMetric(at(0.99), "p99-ms")
}
