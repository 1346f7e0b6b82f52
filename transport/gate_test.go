package transport_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
)

// record is what a gate received in one attempt.
type record struct {
	version  string // of the key; "" for none
	accepted bool
	request  string // the header Request-Id
	method   string
	path     string
	header   http.Header
	length   int64
	encoding []string
}

// gate is a handler that checks keys and records every attempt.
type gate struct {
	secret func(*http.Request) string // default: Authorization: Bearer
	refuse http.HandlerFunc           // default: 401, the request's body unread
	serve  http.HandlerFunc           // for accepted requests; default: 200 and the request's body

	mu   sync.Mutex
	good []string
	log  []record
}

func newGate(good ...string) *gate { return &gate{good: good} }

// accept sets the versions that are accepted from now on.
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

// versions returns the versions of the attempts, in order.
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
