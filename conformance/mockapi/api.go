package mockapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
)

// API is a running mock API. Its methods are safe for concurrent use. The zero
// API is of no use: see [New] and [Start].
type API struct {
	cfg  config
	ctx  context.Context // ends with Close: nothing waits longer
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
	trust     *testCA // nil without TLS
	client    *http.Client
	closeOnce sync.Once
	closeErr  error
}

// TB is what New takes of testing.TB, so that programs do not link package testing.
type TB interface {
	Helper()
	Cleanup(func())
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// New starts a mock API that ends with the test. Calls that name an unknown
// version, and handlers that panic, also fail the test.
func New(t TB, opts ...Option) *API {
	t.Helper()
	a, err := start(t, opts)
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { _ = a.Close() })
	return a
}

// Start starts a mock API. The caller closes it. An error is about an address
// that cannot be had, or is not on loopback.
func Start(opts ...Option) (*API, error) { return start(nil, opts) }

func start(tb TB, opts []Option) (*API, error) {
	a := &API{tb: tb, cfg: defaults()}
	for _, opt := range opts {
		if opt != nil { // F125
			opt(&a.cfg)
		}
	}
	a.ctx, a.stop = context.WithCancel(context.Background())
	a.resetState()
	if err := a.listen(); err != nil {
		// F104: a failed start leaves nothing behind.
		return nil, errors.Join(fmt.Errorf("mockapi: %w", err), a.Close())
	}
	return a, nil
}

// resetState sets everything that requests and admin calls change to what it
// is at the start.
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

// Reset makes the server forget all keys, attempts, orders, holds, intercepts,
// and the refusal and answer set since the start; the next key is v1 again. The number of
// replicas goes back too.
func (a *API) Reset() { a.resetState() }

// URL returns the API's base URL, without a slash at the end.
func (a *API) URL() string { return a.urls.api }

// KeysURL returns the URL of the key document.
func (a *API) KeysURL() string { return a.urls.keys }

// AdminURL returns the base URL of the admin API, which ends in /admin/; empty
// without [WithAdmin].
func (a *API) AdminURL() string { return a.urls.admin }

// Client returns an HTTP client that trusts the server and attaches no key. All
// calls return the same one. It has no timeout: requests bring a context. It closes its idle connections with the API.
func (a *API) Client() *http.Client { return a.client }

// Connections returns how many connections the API has accepted since the
// start: more than a client's concurrency means that it does not reuse them (F32).
func (a *API) Connections() uint64 { return a.servers[0].opened.Load() }

// Close ends the server: held and slow answers are cut, connections closed, hijacked ones too. It
// returns when handlers have ended, or after 5 seconds. Further calls do nothing
// and return the same error.
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
