package transport_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sentinel begins every secret: found anywhere but on the wire, it is a leak.
const sentinel = "rksentinel-"

// key makes a key whose secret is the sentinel and the version.
func key(version string) source.Key {
	return source.Key{Version: version, ID: "id-" + version, Secret: source.NewSecret(sentinel + version)}
}

// listed is a complete set, newest version first.
func listed(versions ...string) source.Set {
	set := source.Set{Complete: true}
	for _, v := range versions {
		set.Keys = append(set.Keys, key(v))
	}
	return set
}

// store is a source under the test's control, which notifies of every change.
type store struct {
	mu    sync.Mutex
	set   source.Set
	reads int
	kick  chan struct{}
	hang  chan struct{} // not nil: Read waits for it to be closed
}

func newStore(versions ...string) *store {
	return &store{set: listed(versions...), kick: make(chan struct{}, 1)}
}

func (s *store) Read(ctx context.Context) (source.Set, error) {
	s.mu.Lock()
	s.reads++
	hang := s.hang
	s.mu.Unlock()
	if hang != nil {
		select {
		case <-hang:
		case <-ctx.Done():
			return source.Set{}, &source.Error{Source: "store", Err: source.ErrUnavailable}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.set, nil
}

func (s *store) Notify(ctx context.Context, changed func()) error {
	changed()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.kick:
			changed()
		}
	}
}

func (s *store) String() string { return "store" }

// put changes the set and notifies.
func (s *store) put(versions ...string) {
	s.mu.Lock()
	s.set = listed(versions...)
	s.mu.Unlock()
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

func (s *store) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reads
}

// keep keeps a ring that reads when the test says so: it does not poll within a
// test's time, and the notifier's first word is over.
func keep(t testing.TB, src source.Source, opts ...source.Option) *source.Ring {
	t.Helper()
	ring, err := source.Keep(context.Background(), src,
		append([]source.Option{source.WithLogger(nil), source.WithPoll(24 * time.Hour)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ring.Close() })
	if _, ok := src.(*store); ok {
		eventually(t, "the notifier's first word", func() bool { return ring.Status().Reads >= 2 })
	}
	return ring
}

// move puts a new set and returns when the ring has it.
func move(t *testing.T, ring *source.Ring, s *store, versions ...string) {
	t.Helper()
	s.mu.Lock()
	s.set = listed(versions...)
	s.mu.Unlock()
	if err := ring.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// protocol is the HTTP version that a test runs over.
type protocol int

// protocols runs the test over HTTP/1.1 and HTTP/2.
func protocols(t *testing.T, test func(t *testing.T, p protocol)) {
	t.Helper()
	for _, p := range []protocol{1, 2} {
		t.Run(fmt.Sprintf("http%d", p), func(t *testing.T) { test(t, p) })
	}
}

// serve starts a server on loopback, with TLS.
func (p protocol) serve(t testing.TB, h http.Handler) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != int(p) {
			t.Errorf("%s, want HTTP/%d", r.Proto, p)
		}
		h.ServeHTTP(w, r)
	}))
	s.EnableHTTP2 = p == 2
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.conns.Add(1)
		}
	}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

type server struct {
	*httptest.Server
	conns atomic.Int64 // ever accepted
}

// base is a transport of the test's own that trusts the server.
func (s *server) base(t testing.TB) *http.Transport {
	t.Helper()
	base := s.Client().Transport.(*http.Transport).Clone()
	t.Cleanup(base.CloseIdleConnections)
	return base
}

// record is what a gate saw of one attempt.
type record struct {
	version  string // of the key it carried, "" for none
	accepted bool
	request  string // the header Request-Id
	method   string
	path     string
	header   http.Header
	length   int64
	encoding []string
}

// gate is a handler that checks keys and writes down every attempt.
type gate struct {
	secret func(*http.Request) string // default: Authorization: Bearer
	refuse http.HandlerFunc           // default: 401, the request's body unread
	serve  http.HandlerFunc           // for accepted requests; default: 200, and the body back

	mu   sync.Mutex
	good []string
	log  []record
}

func newGate(good ...string) *gate { return &gate{good: good} }

// accept sets the versions that are good from now on.
func (g *gate) accept(versions ...string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.good = versions
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	secret := ""
	switch {
	case g.secret != nil:
		secret = g.secret(r)
	case len(r.Header["Authorization"]) == 1:
		secret, _ = strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	}
	version, ok := strings.CutPrefix(secret, sentinel)
	if !ok {
		version = ""
	}
	g.mu.Lock()
	accepted := ok && slices.Contains(g.good, version)
	g.log = append(g.log, record{
		version: version, accepted: accepted, request: r.Header.Get("Request-Id"), method: r.Method, path: r.URL.RequestURI(),
		header: r.Header.Clone(), length: r.ContentLength, encoding: r.TransferEncoding,
	})
	g.mu.Unlock()
	w.Header().Set("Served-Version", version)
	switch {
	case accepted && g.serve != nil:
		g.serve(w, r)
	case accepted:
		_, _ = io.Copy(w, r.Body)
	case g.refuse != nil:
		g.refuse(w, r)
	default:
		w.Header().Set("WWW-Authenticate", "Bearer")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, "refused")
	}
}

// records returns the attempts so far.
func (g *gate) records() []record {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.log)
}

// versions returns the versions that the attempts carried, in their order.
func (g *gate) versions() []string {
	var list []string
	for _, r := range g.records() {
		list = append(list, r.version)
	}
	return list
}

func (g *gate) wantVersions(t *testing.T, want ...string) {
	t.Helper()
	if got := g.versions(); !slices.Equal(got, want) {
		t.Errorf("the server saw %q, want %q", got, want)
	}
}

// answer is what came back for a request, the body read.
type answer struct {
	*http.Response
	body string
	seen *transport.Observation
}

// send sends a request by rt, through an http.Client, and reads the answer.
func send(t *testing.T, rt http.RoundTripper, req *http.Request) answer {
	t.Helper()
	a, err := try(rt, req)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func try(rt http.RoundTripper, req *http.Request) (answer, error) {
	ctx, seen := transport.Observe(req.Context())
	resp, err := (&http.Client{Transport: rt}).Do(req.WithContext(ctx))
	if err != nil {
		return answer{seen: seen}, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return answer{resp, string(data), seen}, err
}

func get(t *testing.T, url string) *http.Request {
	t.Helper()
	return request(t, http.MethodGet, url, nil)
}

func request(t *testing.T, method, url string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// want checks the answer's status, and the version and attempts that were observed.
func (a answer) want(t *testing.T, status int, version string, attempts int) {
	t.Helper()
	if a.StatusCode != status || a.seen.Version() != version || a.seen.Attempts() != attempts {
		t.Errorf("status %d, version %q, %d attempts; want %d, %q, %d",
			a.StatusCode, a.seen.Version(), a.seen.Attempts(), status, version, attempts)
	}
}

func sum(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}

// roundTripper is a function as an http.RoundTripper.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// countingBody counts how often it was closed.
type countingBody struct {
	io.Reader
	closed atomic.Int64
}

func (b *countingBody) Close() error {
	b.closed.Add(1)
	return nil
}

// eventually waits for what is not the test's to signal.
func eventually(t testing.TB, what string, met func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !met(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
