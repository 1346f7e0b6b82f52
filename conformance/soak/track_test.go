package soak_test

import (
	"context"
	crand "crypto/rand"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-retryablehttp"

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
	lane     lane
	goal     *goal
	rng      *rand.Rand // only for the steps, so that a seed repeats them
	printed  *sweep
	scheme   transport.Scheme
	signs    bool         // the scheme signs the body
	retries  bool         // client has WithRetry
	attempts bool         // the ledger has the refused attempts too
	begin    func() error // sets client, retrying and end
	end      func()
	process  sync.RWMutex // read-locked during a request, locked during a restart
	client   *client.Client
	retrying *retryablehttp.Client // over the transport of client
	url      string
	ledger   *ledger
	history  history
	fault    atomic.Int32 // whole, or a fault of the server
	steps    map[string]func()
	deck     []string // the remaining steps of this round

	mu      sync.Mutex        // guards the fields below
	secrets map[string]string // the server's version names, by secret
	labels  map[string]string // the server's version names, by the ring's
	last    [clients]string   // the version of each client's last request that was served
	serving string            // the version that served all clients last
	recent  []string          // the last steps and events of the ring
	taken   map[string]int
	figures figures
	failed  []string // the first failures without an excuse
}

func newTrack(t *testing.T, name string, l lane, g *goal, from uint64, printed *sweep) *track {
	name = fmt.Sprintf("%s-%d", name, l.major())
	if l.odd > 0 {
		name += "-odd"
	}
	sum := fnv.New64a()
	_, _ = sum.Write([]byte(name))
	return &track{
		t: t, name: name, lane: l, goal: g, printed: printed, ledger: newLedger(), scheme: transport.Bearer(),
		rng:     rand.New(rand.NewPCG(from, sum.Sum64())),
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
			client.WithBase(base), client.WithOrigin(k.url), client.WithScheme(watched{k.scheme, k}),
			client.WithRing(ring.WithPoll(time.Second), ring.WithRefusalWait(refusalWait), ring.WithOverlap(time.Hour),
				ring.WithCache(cache),
				ring.WithLogger(slog.New(slog.NewTextHandler(k.printed, &slog.HandlerOptions{Level: slog.LevelDebug}))),
				ring.WithObserver(k.observe)),
		}, opts...)...)
		if err != nil {
			return err
		}
		k.client = c
		k.retrying = &retryablehttp.Client{
			HTTPClient: &http.Client{Transport: c.Transport()}, RetryMax: 5, RetryWaitMin: 20 * time.Millisecond, RetryWaitMax: time.Second,
			CheckRetry: retryablehttp.DefaultRetryPolicy, Backoff: retryablehttp.DefaultBackoff, ErrorHandler: retryablehttp.PassthroughErrorHandler,
		}
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

// watched is a scheme that records the ring's name of each version; for a plain file it is
// a time.
type watched struct {
	transport.Scheme
	k *track
}

func (w watched) Prepare(key source.Key) (transport.Signer, error) {
	k := w.k
	k.mu.Lock()
	version, ok := k.secrets[key.Secret.Expose()]
	if !ok {
		k.leak("the source returned a key that the server never issued: " + key.Version)
	}
	k.labels[key.Version] = version
	k.mu.Unlock()
	return w.Scheme.Prepare(key)
}

func (k *track) observe(e ring.Event) {
	k.printed.look(fmt.Sprintf("%+v %#v", e, e))
	k.mu.Lock()
	defer k.mu.Unlock()
	k.note(fmt.Sprintf("%v %s %v", e.Kind, k.labels[e.Version], e.Err))
}

// note adds a line to recent. The caller holds mu.
func (k *track) note(text string) {
	if len(k.recent) == 20 {
		k.recent = slices.Delete(k.recent, 0, 1)
	}
	k.recent = append(k.recent, time.Now().Format("05.000 ")+text)
}

// leak counts a leak. The caller holds mu.
func (k *track) leak(text string) {
	k.figures.leaks++
	k.show(text)
}

// fail counts a failure without an excuse. The caller holds mu.
func (k *track) fail(text string) {
	k.figures.failed++
	k.show(text)
	if k.figures.failed == 1 {
		k.show("before that:\n\t" + strings.Join(k.recent, "\n\t"))
	}
}

// show keeps the text if it is one of the first. The caller holds mu.
func (k *track) show(text string) {
	if len(k.failed) < 20 {
		k.failed = append(k.failed, text)
	}
}

// run sends requests and takes steps until the phase is over. A step that has begun is
// finished.
func (k *track) run() {
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
	for !k.goal.over() && !k.t.Failed() {
		if len(k.deck) == 0 {
			k.deck = slices.Sorted(maps.Keys(k.steps))
			k.rng.Shuffle(len(k.deck), func(i, j int) { k.deck[i], k.deck[j] = k.deck[j], k.deck[i] })
		}
		step := k.deck[0]
		k.deck = k.deck[1:]
		k.mu.Lock()
		k.note("step: " + step)
		k.mu.Unlock()
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
	tick := time.NewTicker(5 * time.Millisecond)
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

// served waits until each client's last request that was served had the version. Then no
// request is in flight that was sent before the version was current.
func (k *track) served(version string) {
	k.await("every client has a response with "+version, func() bool {
		k.mu.Lock()
		defer k.mu.Unlock()
		return !slices.ContainsFunc(k.last[:], func(v string) bool { return v != version })
	})
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.serving != version && k.serving != "" {
		k.figures.rotations++
		k.goal.turned.Add(1)
	}
	k.serving = version
}

// has waits until the version is the current one of the ring.
func (k *track) has(version string) {
	k.await("the ring has "+version, func() bool {
		current := k.client.Status().Current.Version
		k.mu.Lock()
		defer k.mu.Unlock()
		return k.labels[current] == version
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

// faulty runs step while the server breaks a share of the requests.
func (k *track) faulty(how int32, step func()) func() {
	return func() {
		k.fault.Store(how)
		defer k.fault.Store(whole)
		step()
	}
}
