package vault_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/rollingkeys/rollingkeys/source"
)

// BenchmarkRotation reports the time from a write to Vault to the first request
// with the new key: by polling each second, and by the refusal of a request
// that left with the old key. Run it with -benchtime=20x or more.
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
	s := newStore(b)
	s.must(s.kv.PutMetadata(b.Context(), "key", metadata))
	s.write(token("0"))
	ring, err := source.Keep(b.Context(), s.source(), source.WithPoll(time.Second), source.WithLogger(nil))
	s.must(err)
	defer ring.Close()
	var took []time.Duration
	for b.Loop() {
		time.Sleep(5 * time.Millisecond) // no two rotations in one refusal window
		version := fmt.Sprint(s.write(token("1")))
		start := time.Now()
		wait(ring, version)
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	ms := func(p int) float64 { return float64(took[(len(took)-1)*p/100].Microseconds()) / 1000 }
	b.ReportMetric(ms(50), "p50-ms")
	b.ReportMetric(ms(99), "p99-ms")
}

// metadata keeps one version only, so that the one before is refused.
var metadata = api.KVMetadataPutInput{MaxVersions: 1}
