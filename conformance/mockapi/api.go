package mockapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
)

// API is a running mock API. Its methods are safe for concurrent use. [New] and
// [Start] make one; the zero API is not usable.
type API struct {
	cfg  config
	ctx  context.Context // cancelled by Close
	stop context.CancelFunc
	tb   TB // nil without a test

	life life
	log  requestLog
	book book
	doc  document

	intercept     atomic.Pointer[InterceptFunc]
	interceptKeys atomic.Pointer[func(http.ResponseWriter, *http.Request) bool]
	refusal       atomic.Pointer[Refusal]
	answer        atomic.Pointer[Answer]
	turn          atomic.Uint64 // counts requests that go to the replicas in turn
	holds         holds

	servers   []*server
	pipes     []*pipeListener // of WithMemory
	urls      struct{ api, keys, admin string }
	listens   map[string]string // where the server listens, by the address that clients use
	trust     *testCA           // nil without TLS
	client    *http.Client
	closeOnce sync.Once
	closeErr  error
}

// TB is the part of testing.TB that [New] uses. With it, programs that import
// mockapi do not link package testing.
type TB interface {
	Helper()
	Cleanup(func())
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// New starts a mock API and closes it when the test ends. The test fails if the
// API cannot start, if a method is called with an unknown version, or if a
// handler panics.
func New(t TB, opts ...Option) *API {
	t.Helper()
	a, err := start(t, opts)
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { _ = a.Close() })
	return a
}

// Start starts a mock API, which the caller must close. It fails if an address
// is in use or not on loopback.
func Start(opts ...Option) (*API, error) { return start(nil, opts) }

func start(tb TB, opts []Option) (*API, error) {
	a := &API{tb: tb, cfg: defaults(), listens: make(map[string]string)}
	for _, opt := range opts {
		if opt != nil { // F125
			opt(&a.cfg)
		}
	}
	a.ctx, a.stop = context.WithCancel(context.Background())
	a.resetState()
	if err := a.listen(); err != nil {
		// F104: close the listeners that did open.
		return nil, errors.Join(fmt.Errorf("mockapi: %w", err), a.Close())
	}
	return a, nil
}

// resetState sets all state that requests and methods change to its initial value.
func (a *API) resetState() {
	a.life.reset(a.cfg.replicas)
	a.log.reset(a.cfg.logLimit)
	a.book.reset()
	a.doc.touch()
	a.refusal.Store(&a.cfg.refusal)
	a.answer.Store(&Answer{})
	a.intercept.Store(nil)
	a.interceptKeys.Store(nil)
	a.holds.releaseAll()
}

// Reset returns the server to its state after the start. It removes all keys,
// attempts, orders, holds and intercepts, and restores the refusal, the answer
// and the number of replicas. The next key is v1 again.
func (a *API) Reset() { a.resetState() }

// URL returns the base URL of the API, without a trailing slash.
func (a *API) URL() string { return a.urls.api }

// KeysURL returns the URL of the key document.
func (a *API) KeysURL() string { return a.urls.keys }

// AdminURL returns the base URL of the admin API, which ends in /admin/; empty
// without [WithAdmin].
func (a *API) AdminURL() string { return a.urls.admin }

// Client returns an HTTP client that trusts the server's certificate and attaches
// no key. All calls return the same client. It has no timeout; give requests a
// context. Close of the API closes its idle connections.
func (a *API) Client() *http.Client { return a.client }

// Connections returns how many connections the API has accepted since the start.
// If it exceeds the number of concurrent requests, the client does not reuse
// connections.
func (a *API) Connections() uint64 { return a.servers[0].opened.Load() }

// Close stops the server. It cuts off held and slow responses and closes all
// connections, hijacked ones too. It blocks until the handlers have returned, or
// for 5 seconds; then it returns an error. Further calls do nothing and return
// the same error.
func (a *API) Close() error {
	a.closeOnce.Do(func() {
		a.stop()
		if a.client != nil {
			a.client.CloseIdleConnections()
		}
		var errs []error
		for _, s := range a.servers {
			errs = append(errs, s.close())
		}
		a.closeErr = errors.Join(errs...)
	})
	return a.closeErr
}
