package mockapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// closeTimeout is how long Close waits for handlers.
const closeTimeout = 5 * time.Second

// server is an http.Server with one listener.
type server struct {
	http   *http.Server
	conns  sync.WaitGroup // open connections, running handlers of HTTP/1.1, and the accept loop
	opened atomic.Uint64  // connections so far
}

// listen opens the listeners. If it fails, Close closes those that are open.
func (a *API) listen() error {
	if a.cfg.tls {
		ca, err := newTestCA(a.cfg.host, a.cfg.address, a.cfg.keysAddress)
		if err != nil {
			return err
		}
		a.trust = ca
	}
	a.client = &http.Client{Transport: &http.Transport{
		DialContext: a.Dial, TLSClientConfig: a.TLSConfig(), ForceAttemptHTTP2: a.cfg.http2,
		MaxIdleConnsPerHost: 128, // so that load tests reuse their connections
	}}
	base, err := a.serve(a.cfg.address, http.HandlerFunc(a.serveAPI), a.trust)
	if err != nil {
		return err
	}
	a.urls.api = base
	if base, err = a.serve(a.cfg.keysAddress, a.forLoopback(http.HandlerFunc(a.serveKeys)), a.trust); err != nil {
		return err
	}
	a.urls.keys = base + "/keys"
	if a.cfg.adminAddress != "" {
		if base, err = a.serve(a.cfg.adminAddress, a.forLoopback(a.forToken(a.adminHandler())), nil); err != nil {
			return err
		}
		a.urls.admin = base + "/admin/"
	}
	return nil
}

// serve starts one server, with TLS if ca is not nil, and returns its base URL.
func (a *API) serve(address string, h http.Handler, ca *testCA) (string, error) {
	ln, err := a.open(address)
	if err != nil {
		return "", err
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(a.cfg.http2 && ca != nil)
	s := &server{}
	s.http = &http.Server{
		Handler:     s.counted(a.guard(h)),
		Protocols:   protocols,
		BaseContext: func(net.Listener) context.Context { return a.ctx },
		// Discard reports of failed TLS handshakes, which tests cause on purpose;
		// guard reports panics.
		ErrorLog:          log.New(io.Discard, "", 0),
		ReadHeaderTimeout: 30 * time.Second,
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				s.conns.Add(1)
				s.opened.Add(1)
			case http.StateClosed, http.StateHijacked:
				s.conns.Done()
			}
		},
	}
	a.servers = append(a.servers, s)
	scheme := "http://"
	s.conns.Add(1)
	run := s.http.Serve
	if ca != nil {
		s.http.TLSConfig = ca.serverConfig()
		scheme = "https://"
		run = func(ln net.Listener) error { return s.http.ServeTLS(ln, "", "") }
	}
	go func() {
		defer s.conns.Done()
		_ = run(ln) // always ErrServerClosed: nothing else ends these listeners
	}()
	at := a.reachedAt(ln.Addr().String())
	a.listens[at] = ln.Addr().String()
	return scheme + at, nil
}

// close closes the server and waits for its handlers.
func (s *server) close() error {
	err := s.http.Close()
	done := make(chan struct{})
	go func() { s.conns.Wait(); close(done) }()
	timer := time.NewTimer(closeTimeout)
	defer timer.Stop()
	select {
	case <-done:
		return err
	case <-timer.C:
		return errors.Join(err, fmt.Errorf("mockapi: a handler is still running %v after Close", closeTimeout))
	}
}

// counted makes Close wait for the handlers of HTTP/1.1 requests. A handler that
// has hijacked its connection still runs after net/http has reported the
// connection as hijacked.
func (s *server) counted(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 1 {
			s.conns.Add(1) // allowed during Wait: the open connection keeps the counter above 0
			defer s.conns.Done()
		}
		h.ServeHTTP(w, r)
	})
}

// guard fails the test if a handler panics; net/http would only log the panic. It
// then cuts the connection, as net/http does. A panic with http.ErrAbortHandler
// cuts the connection only.
func (a *API) guard(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			switch p := recover(); p {
			case nil:
			case http.ErrAbortHandler:
				panic(p)
			default:
				a.fail(fmt.Errorf("mockapi: a handler panicked: %v", p))
				panic(http.ErrAbortHandler)
			}
		}()
		h.ServeHTTP(w, r)
	})
}

// fail fails the test, if there is one and err is not nil, and returns err.
func (a *API) fail(err error) error {
	if err != nil && a.tb != nil {
		a.tb.Helper()
		a.tb.Errorf("%v", err)
	}
	return err
}

// pause waits for d. It returns false if ctx ends first, because the client has
// disconnected or the server is closing.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
