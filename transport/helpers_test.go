package transport_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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
	conns atomic.Int64 // connections accepted so far
}

// base is the test's own transport, which trusts the server.
func (s *server) base(t testing.TB) *http.Transport {
	t.Helper()
	base := s.Client().Transport.(*http.Transport).Clone()
	t.Cleanup(base.CloseIdleConnections)
	return base
}

// unbound makes a transport whose key is bound to the origin of the first request, unless
// opts name another.
func unbound(keys *ring.Ring, scheme transport.Scheme, opts ...transport.Option) *transport.Transport {
	return transport.New(keys, scheme, append([]transport.Option{transport.WithOriginOfFirstRequest()}, opts...)...)
}

// answer is the answer to a request, with its body.
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

// eventually waits for an event that the test cannot signal.
func eventually(t testing.TB, what string, met func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !met(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// with returns scheme with changed traits.
func with(scheme transport.Scheme, change func(*transport.Traits)) transport.Scheme {
	return changed{scheme, change}
}

type changed struct {
	transport.Scheme
	change func(*transport.Traits)
}

func (c changed) Traits() transport.Traits {
	traits := c.Scheme.Traits()
	c.change(&traits)
	return traits
}

// resyncing returns scheme with a Resync that learns the time from every answer.
func resyncing(scheme transport.Scheme) transport.Scheme {
	return with(scheme, func(traits *transport.Traits) { traits.Resync = func(*transport.Answer) bool { return true } })
}
