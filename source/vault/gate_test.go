package vault_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/rollingkeys/rollingkeys/source/vault/internal/vaulttest"
)

// A gate is a reverse proxy in front of the server. It counts requests, delays them, breaks
// their connections, or answers in the server's place.
type gate struct {
	t         testing.TB
	server    *httptest.Server
	transport *http.Transport // the source's
	token     string

	mu     sync.Mutex
	paths  map[string]int
	answer func(http.ResponseWriter) bool
	events http.HandlerFunc // answers subscriptions
	held   chan struct{}
}

const subscription = "/v1/sys/events/subscribe/kv-v2/*"

func newGate(t testing.TB, s *store) *gate {
	t.Helper()
	target, err := url.Parse(s.Address)
	s.must(err)
	back := &http.Transport{DisableKeepAlives: true} // connections that a test leaves open are the source's
	proxy := &httputil.ReverseProxy{
		Rewrite:      func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport:    back,
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { cut(w) },
	}
	g := &gate{t: t, transport: &http.Transport{}, token: s.client.Token(), paths: make(map[string]int)}
	g.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		g.paths[r.URL.Path]++
		answer, held, events := g.answer, g.held, g.events
		g.mu.Unlock()
		if held != nil {
			<-held
		}
		switch {
		case r.URL.Path == subscription && events != nil:
			events(w, r)
		case answer == nil || !answer(w):
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(func() {
		g.release()
		g.transport.CloseIdleConnections()
		g.server.Close()
		back.CloseIdleConnections()
	})
	return g
}

func (g *gate) client() *api.Client {
	return vaulttest.Client(g.t, g.server.URL, g.token, g.transport)
}

func (g *gate) hang() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held = make(chan struct{})
}

func (g *gate) release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.held != nil {
		close(g.held)
		g.held = nil
	}
}

func (g *gate) set(answer func(http.ResponseWriter) bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.answer = answer
}

// subscribed sets the handler of subscriptions. If it is nil, the server answers them.
func (g *gate) subscribed(events http.HandlerFunc) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.events = events
}

func (g *gate) count(path string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.paths[path]
}

// slow answers as usual, but later.
func slow(http.ResponseWriter) bool {
	<-time.After(200 * time.Millisecond)
	return false
}

// cut breaks the connection in the middle of an answer.
func cut(w http.ResponseWriter) bool {
	w.Header().Set("Content-Length", "1000")
	_, _ = w.Write([]byte(`{"data":{`))
	_ = http.NewResponseController(w).Flush()
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return false
	}
	_ = conn.(*net.TCPConn).SetLinger(0)
	_ = conn.Close()
	return true
}

func answers(status int, body string, header ...string) func(http.ResponseWriter) bool {
	return func(w http.ResponseWriter) bool {
		if len(header) == 2 {
			w.Header().Set(header[0], header[1])
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
		return true
	}
}
