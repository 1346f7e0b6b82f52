package vault_test

import (
	"context"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/storetest"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// BenchmarkRotation reports the time from a rotation in the store to the first
// request with the new key. Run it with -benchtime=20x or more.
func BenchmarkRotation(b *testing.B) {
	open := func(b *testing.B) (source.Source, func(n int)) {
		s := newStore(b)
		s.must(s.kv.PutMetadata(context.Background(), "key", api.KVMetadataPutInput{MaxVersions: 1}))
		return s.source(), func(n int) { s.write(map[string]any{"secret": conformance.NewKey(n).Secret.Expose()}) }
	}
	storetest.Polled(b, open)
	b.Run("events", func(b *testing.B) { // if an event is lost, the poll finds the key
		src, put := open(b)
		storetest.Rotation(b, src, put, ring.WithPoll(time.Second))
	})
}
