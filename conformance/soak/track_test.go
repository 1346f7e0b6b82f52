package soak_test

import (
	"context"
	crand "crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/client"
	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
)

// A track is one source, one server, and clients that send requests without a pause
// while the track takes one step after the other.
type track struct {
	t        *testing.T
	name     string
	rng      *rand.Rand // only for the steps, so that a seed repeats them
	printed  *sweep
	begin    func() error // sets client and end
	end      func()
	process  sync.RWMutex // read-locked during a request, locked during a restart
	client   *client.Client
	url      string
	attempts bool // the ledger has the refused attempts too
	ledger   *ledger
	steps    map[string]func()
	deck     []string // the remaining steps of this round

	mu      sync.Mutex        // guards the fields below
	secrets map[string]string // the server's version names, by secret
	labels  map[string]string // the server's version names, by the ring's
	last    [clients]string   // the version of each client's last response
	failed  []string
	taken   map[string]int
	figures figures
}

type figures struct{ requests, orders, moved int }

func newTrack(t *testing.T, name string, from uint64, printed *sweep) *track {
	return &track{
		t: t, name: name, printed: printed, ledger: newLedger(),
		rng:     rand.New(rand.NewPCG(from, uint64(len(name)))),
		secrets: make(map[string]string), labels: make(map[string]string), taken: make(map[string]int),
	}
}

// start starts the client with the source that src makes, and a cache. The source must
// already have a key that the server accepts.
func (k *track) start(base *http.Transport, src func() source.Source, opts ...client.Option) {
	k.t.Helper()
	base.MaxIdleConnsPerHost = clients
	cache := ring.FileCache(filepath.Join(k.t.TempDir(), "cache"))
	k.begin = func() error {
		ctx, cancel := context.WithTimeout(k.t.Context(), limit)
		defer cancel()
		from := src()
		c, err := client.New(ctx, from, append([]client.Option{
			client.WithBase(base), client.WithOrigin(k.url), client.WithScheme(transport.SchemeFunc(k.prepare)),
			client.WithRing(ring.WithPoll(time.Second), ring.WithRefusalWait(10*time.Second), ring.WithOverlap(time.Hour),
				ring.WithCache(cache),
				ring.WithLogger(slog.New(slog.NewTextHandler(k.printed, &slog.HandlerOptions{Level: slog.LevelDebug}))),
				ring.WithObserver(func(e ring.Event) { k.printed.look(fmt.Sprintf("%+v %#v", e, e)) })),
		}, opts...)...)
		if err != nil {
			return err
		}
		k.client = c
		k.end = func() {
			_ = c.Close()
			if closing, ok := from.(io.Closer); ok {
				_ = closing.Close()
			}
		}
		return nil
	}
	if err := k.begin(); err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(func() { k.end(); base.CloseIdleConnections() })
}

// restart waits for requests in flight, closes the client, and makes a new one, like a
// process that restarts: only the source and the cache remain.
func (k *track) restart() {
	k.process.Lock()
	defer k.process.Unlock()
	k.end()
	k.must(k.begin())
	k.mu.Lock()
	defer k.mu.Unlock()
	clear(k.last[:])
}

// newSecret returns a secret, and records it for the server's next version.
func (k *track) newSecret() string {
	secret := mockapi.Sentinel + crand.Text()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.secrets[secret] = fmt.Sprintf("v%d", len(k.secrets)+1)
	return secret
}

// version returns the server's version name of the key with this secret.
func (k *track) version(secret source.Secret) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.secrets[secret.Expose()]
}

// prepare is the Bearer scheme. It also records the ring's name of each version; for a
// plain file it is a time.
func (k *track) prepare(key source.Key) (transport.Signer, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	version, ok := k.secrets[key.Secret.Expose()]
	if !ok {
		k.failed = append(k.failed, "the source returned a key that the server never issued: "+key.Version)
	}
	k.labels[key.Version] = version
	return transport.Bearer().Prepare(key)
}

// run sends requests and takes steps until end. A step that has begun is finished.
func (k *track) run(end time.Time) {
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for n := range clients {
		wg.Go(func() { k.send(stop, n) })
	}
	defer wg.Wait()
	defer close(stop)
	defer func() {
		// A failed step panics with stuck, since only the test's goroutine may call
		// Fatalf.
		if p := recover(); p != nil {
			if _, ok := p.(stuck); !ok {
				panic(p)
			}
			k.t.Errorf("%s: %v; status %+v", k.name, p, k.client.Status())
		}
	}()
	for time.Now().Before(end) && !k.t.Failed() {
		if len(k.deck) == 0 {
			k.deck = slices.Sorted(maps.Keys(k.steps))
			k.rng.Shuffle(len(k.deck), func(i, j int) { k.deck[i], k.deck[j] = k.deck[j], k.deck[i] })
		}
		step := k.deck[0]
		k.deck = k.deck[1:]
		k.steps[step]()
		k.mu.Lock()
		k.taken[step]++
		k.mu.Unlock()
		k.pause(200 * time.Millisecond)
	}
}

// stuck is the panic value of a failed step.
type stuck string

// await waits until ok returns true, and panics with stuck after limit.
func (k *track) await(what string, ok func() bool) {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(limit); !ok(); <-tick.C {
		if time.Now().After(end) {
			panic(stuck("waited in vain for: " + what))
		}
	}
}

func (k *track) must(err error) {
	if err != nil {
		panic(stuck(err.Error()))
	}
}

// pause waits for a random time of up to d while requests go on.
func (k *track) pause(d time.Duration) {
	<-time.After(time.Duration(k.rng.Int64N(int64(d))))
}

// served waits until the last response of each client was with the version. Then no
// request is in flight that was sent before the version was current.
func (k *track) served(version string) {
	k.await("every client has a response with "+version, func() bool {
		k.mu.Lock()
		defer k.mu.Unlock()
		return !slices.ContainsFunc(k.last[:], func(v string) bool { return v != version })
	})
}

// refused waits until the server has refused the version.
func (k *track) refused(version string) {
	k.await("the server refuses "+version, func() bool {
		return slices.ContainsFunc(k.client.Status().Versions, func(v ring.VersionStatus) bool {
			k.mu.Lock()
			defer k.mu.Unlock()
			return k.labels[v.Version] == version && v.Refused > 0
		})
	})
}

// readable waits until the source is read without an error again.
func (k *track) readable() {
	k.await("the source is read without an error", func() bool { s := k.client.Status(); return s.LastError == "" && s.Healthy })
}

// judge reports the failures of the track and returns how many steps it took.
func (k *track) judge() (steps int) {
	k.t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	for i, f := range k.failed {
		if i == 20 {
			k.t.Errorf("%s: and %d more failures", k.name, len(k.failed)-i)
			break
		}
		k.printed.look(f)
		k.t.Errorf("%s: %s", k.name, f)
	}
	if n := k.ledger.rest(); n > 0 {
		k.t.Errorf("%s: the server got attempts of %d requests that had already ended", k.name, n)
	}
	for _, n := range k.taken {
		steps += n
	}
	f := k.figures
	if f.moved == 0 || f.orders == 0 {
		k.t.Errorf("%s: %d requests were answered with another version than first sent, and %d orders sent: the soak needs both", k.name, f.moved, f.orders)
	}
	k.t.Logf("%s: %d requests, %d orders, %d failed, %d answered with another version than first sent, %d steps: %v",
		k.name, f.requests, f.orders, len(k.failed), f.moved, steps, k.taken)
	return steps
}
