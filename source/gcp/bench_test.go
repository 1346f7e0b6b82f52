package gcp_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"cloud.google.com/go/secretmanager/apiv1/secretmanagerpb"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/gcp"
)

// BenchmarkRotation reports the time from a new version in the store to the
// first request with it: by polling each second, and by the refusal of a
// request that left with the old key. Run it with -benchtime=20x or more.
func BenchmarkRotation(b *testing.B) {
	b.Run("poll=1s", func(b *testing.B) {
		rotate(b, func(ring *source.Ring, version string) {
			for ring.Version() != version {
				time.Sleep(100 * time.Microsecond)
			}
		})
	})
	b.Run("refused", func(b *testing.B) {
		rotate(b, func(ring *source.Ring, version string) {
			a, err := ring.Attempt(true)
			for ok := err == nil; a.Version() != version; a, ok = a.Next(b.Context(), false) {
				if !ok {
					b.Fatal("no other key")
				}
			}
			a.Accepted()
		})
	})
}

func rotate(b *testing.B, wait func(ring *source.Ring, version string)) {
	s := newStub(b)
	n := s.add("token")
	ring, err := source.Keep(b.Context(), gcp.New(s.client(), secret), source.WithPoll(time.Second), source.WithLogger(nil))
	if err != nil {
		b.Fatal(err)
	}
	defer ring.Close()
	var took []time.Duration
	for b.Loop() {
		time.Sleep(5 * time.Millisecond) // no two rotations in one refusal window
		s.state(n, secretmanagerpb.SecretVersion_DISABLED)
		n = s.add(fmt.Sprint("token-", n))
		start := time.Now()
		wait(ring, fmt.Sprint(n))
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	ms := func(p int) float64 { return float64(took[(len(took)-1)*p/100].Microseconds()) / 1000 }
	b.ReportMetric(ms(50), "p50-ms")
	b.ReportMetric(ms(99), "p99-ms")
}
