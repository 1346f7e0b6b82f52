package sdktest_test

import (
	"crypto/sha256"
	"fmt"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/transport/sigv4"
)

// stored reports what is wrong with an object, if it is not what was put there.
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

// load makes calls of every kind on six goroutines until end is called.
func (b *bench) load() (settle, end func()) {
	a := clients(b.cfg)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var done [6]atomic.Int64
	for i := range done {
		wg.Go(func() {
			for n := 0; ; n++ {
				for name, call := range calls {
					done[i].Add(1)
					select {
					case <-stop:
						return
					default:
					}
					if err := call(b.t.Context(), b, a, fmt.Sprint(i, "-", n)); err != nil {
						b.t.Errorf("%s: %v", name, err)
					}
				}
			}
		})
	}
	// settle waits until every call that is out now has ended.
	settle = func() {
		b.t.Helper()
		for i := range done {
			before := done[i].Load()
			b.until(func() bool { return done[i].Load() > before+1 })
		}
	}
	return settle, sync.OnceFunc(func() {
		close(stop)
		wg.Wait()
	})
}

// overBoth runs a test over HTTP/1.1 and HTTP/2, beside others: most of it is waiting
// for hold-offs.
func overBoth(t *testing.T, test func(*testing.T, *bench)) {
	t.Parallel()
	for name, http1 := range map[string]bool{"HTTP/1.1": true, "HTTP/2": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, bench{http1: http1, wait: 5 * time.Second}.start(t, key(1)))
		})
	}
}

// F119, F58, F61: the two access keys of an IAM user rotate under load, published
// before AWS takes them and after, and no call fails.
func TestRotatesSourceFirst(t *testing.T) { overBoth(t, rotateSourceFirst) }

func rotateSourceFirst(t *testing.T, b *bench) {
	sigv4.Configure(&b.cfg, b.ring)
	settle, end := b.load()
	defer end()
	for n := 2; n <= 5; n++ {
		old, next := key(n-1), key(n)
		var before int
		b.set(func() { before = b.refused })
		b.store.put(next, old)
		if err := b.ring.Refresh(t.Context()); err != nil {
			t.Error(err)
		}
		b.until(func() bool { return b.refused > before })
		b.set(func() { b.keys[next.ID] = next.Secret.Expose() })
		b.until(func() bool { return b.seen[next.ID] > 20 && b.refused > before })
		settle()
		b.set(func() { delete(b.keys, old.ID) })
		settle()
		b.store.put(next)
	}
	end()
	b.told(t)
}

// F119, F88: AWS drops the key, and the source has the next only then.
func TestRotatesServerFirst(t *testing.T) { overBoth(t, rotateServerFirst) }

func rotateServerFirst(t *testing.T, b *bench) {
	sigv4.Configure(&b.cfg, b.ring)
	settle, end := b.load()
	defer end()
	for n := 2; n <= 5; n++ {
		old, next := key(n-1), key(n)
		var before int
		b.set(func() {
			before = b.refused
			delete(b.keys, old.ID)
			b.keys[next.ID] = next.Secret.Expose()
		})
		b.until(func() bool { return b.refused > before })
		b.store.put(next)
		b.until(func() bool { return b.seen[next.ID] > 20 })
		settle()
	}
	end()
	b.told(t)
}

// told checks what the ring was told: each request that the cloud carried out counts as
// accepted, each that it refused as refused.
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
