package aws_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/aws"
)

// BenchmarkRotation reports the time from a rotation in the store to the first
// request with the new key: by polling each second, and by the refusal of a
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
			if err != nil {
				b.Fatal(err)
			}
			for a.Version() != version {
				var ok bool
				if a, ok = a.Next(b.Context(), false); !ok {
					b.Fatal("no other key")
				}
			}
			a.Accepted()
		})
	})
}

func rotate(b *testing.B, wait func(ring *source.Ring, version string)) {
	s := newStub(b)
	s.rotate("v0", "token-0")
	ring, err := source.Keep(b.Context(), aws.New(s.client(), "prod/key"), source.WithPoll(time.Second), source.WithLogger(nil))
	if err != nil {
		b.Fatal(err)
	}
	defer ring.Close()
	var took []time.Duration
	for n := 1; b.Loop(); n++ {
		time.Sleep(5 * time.Millisecond) // no two rotations in one refusal window
		version := fmt.Sprint("v", n)
		s.put("AWSPREVIOUS", "", "")
		s.put("AWSCURRENT", version, fmt.Sprint("token-", n)) // no overlap: the one before is refused
		start := time.Now()
		wait(ring, version)
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	ms := func(p int) float64 { return float64(took[(len(took)-1)*p/100].Microseconds()) / 1000 }
	b.ReportMetric(ms(50), "p50-ms")
	b.ReportMetric(ms(99), "p99-ms")
}
