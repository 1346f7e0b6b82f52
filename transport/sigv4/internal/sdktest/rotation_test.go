package sdktest_test

import (
	"crypto/sha256"
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport/internal/drill"
	"github.com/rollingkeys/rollingkeys/transport/sigv4"
)

// stored returns an error if an object does not hold what was put there.
func (b *bench) stored(object string, content []byte) (err error) {
	path := (&url.URL{Path: "/bucket/" + object}).EscapedPath()
	b.set(func() {
		var found bool
		for name, sum := range b.objects {
			decoded, _ := url.PathUnescape(name)
			if want, _ := url.PathUnescape(path); decoded == want {
				found = true
				if sum != sha256.Sum256(content) {
					err = fmt.Errorf("object %s is not what was put", object)
				}
			}
		}
		if !found {
			err = fmt.Errorf("object %s is not there", object)
		}
	})
	return err
}

// load makes calls under load, and returns how their keys rotate.
func (b *bench) load() (drill.Rotation, *drill.Load) {
	a, named := clients(b.cfg), make(map[string]func(string) error)
	for kind, call := range calls {
		named[kind] = func(name string) error { return call(b.t.Context(), b, a, name) }
	}
	return drill.Rotation{Store: b.store, Ring: b.ring, Key: key,
		Accept: func(keys ...source.Key) {
			b.set(func() {
				clear(b.keys)
				for _, k := range keys {
					b.keys[k.ID] = k.Secret.Expose()
				}
			})
		},
		Counts: func(key source.Key) (served, refused int) {
			b.set(func() { served, refused = b.seen[key.ID], b.refused })
			return served, refused
		},
	}, drill.Start(b.t, named)
}

// overBoth runs a test over HTTP/1.1 and HTTP/2, in parallel with other tests, since it
// mostly waits for hold-offs.
func overBoth(t *testing.T, test func(*testing.T, *bench)) {
	t.Parallel()
	for name, http1 := range map[string]bool{"HTTP/1.1": true, "HTTP/2": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, bench{http1: http1, wait: 5 * time.Second}.start(t, key(1)))
		})
	}
}

// F119, F58, F61: the two access keys of an IAM user rotate under load. Each is
// published before AWS accepts it, or after. No call fails.
func TestRotatesSourceFirst(t *testing.T) {
	overBoth(t, func(t *testing.T, b *bench) {
		sigv4.Configure(&b.cfg, b.ring)
		r, load := b.load()
		defer load.End()
		r.SourceFirst(t, load, 2, 5)
		load.End()
		b.told(t)
	})
}

// F119, F88: AWS drops the key before the source has the next one.
func TestRotatesServerFirst(t *testing.T) {
	overBoth(t, func(t *testing.T, b *bench) {
		sigv4.Configure(&b.cfg, b.ring)
		r, load := b.load()
		defer load.End()
		r.ServerFirst(t, load, 2, 5)
		load.End()
		b.told(t)
	})
}

// told checks what the ring has learned: each request that the cloud carried out counts
// as accepted, and each that it refused as refused.
func (b *bench) told(t *testing.T) {
	t.Helper()
	var accepted, refused, inFlight uint64
	for _, v := range b.ring.Status().Versions {
		accepted, refused, inFlight = accepted+v.Accepted, refused+v.Refused, inFlight+v.InFlight
	}
	if int(accepted) != b.applied || int(refused) != b.refused || inFlight != 0 {
		t.Errorf("the ring has %d accepted, %d refused and %d in flight; the cloud took %d and refused %d", accepted, refused, inFlight, b.applied, b.refused)
	}
	if b.chunked == 0 {
		t.Error("no upload came in chunks, as the SDK makes them over TLS")
	}
	t.Logf("%d calls, %d refused on the way", b.applied, b.refused)
}
