package mockapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// closeTimeout bounds how long Close waits for handlers.
const closeTimeout = 5 * time.Second

// server is one listener and what serves it.
type server struct {
	http   *http.Server
	conns  sync.WaitGroup // open connections, running handlers of HTTP/1.1, and the accept loop
	opened atomic.Uint64  // connections so far
}

// listen opens the API's listeners, in an order that Close undoes at any point.
func (a *API) listen() error {
	if a.cfg.tls {
		ca, err := newTestCA()
		if err != nil {
			return err
		}
		a.trust = ca
	}
	a.client = &http.Client{Transport: &http.Transport{
		DialContext: a.Dial, TLSClientConfig: a.TLSConfig(), ForceAttemptHTTP2: a.cfg.http2,
		MaxIdleConnsPerHost: 128, // load tests keep their connections
	}}
	base, err := a.serve(a.cfg.address, http.HandlerFunc(a.serveAPI), a.trust)
	if err != nil {
		return err
	}
	a.urls.api = base
	if base, err = a.serve(a.cfg.keysAddress, forLoopback(http.HandlerFunc(a.serveKeys)), a.trust); err != nil {
		return err
	}
	a.urls.keys = base + "/keys"
	if a.cfg.adminAddress != "" {
		if base, err = a.serve(a.cfg.adminAddress, forLoopback(a.adminHandler()), nil); err != nil {
			return err
		}
		a.urls.admin = base + "/admin/"
	}
	return nil
}

// serve starts one server, over TLS if there is a ca, and returns its base URL.
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
		// Handshakes that a test lets fail are no news; panics are told by guard.
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
	return scheme + ln.Addr().String(), nil
}

// close ends the server and waits for its handlers.
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

// counted makes Close wait for handlers of HTTP/1.1: one that has hijacked its
// connection goes on when net/http has no longer an open connection to show for it.
func (s *server) counted(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 1 {
			s.conns.Add(1) // the connection is open still: the count is not 0
			defer s.conns.Done()
		}
		h.ServeHTTP(w, r)
	})
}

// guard reports panics of handlers, which net/http would only log, and cuts the
// connection as net/http does. A handler that panics with http.ErrAbortHandler
// means to cut it.
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

// fail tells the test, where there is one, and returns err.
func (a *API) fail(err error) error {
	if err != nil && a.tb != nil {
		a.tb.Helper()
		a.tb.Errorf("%v", err)
	}
	return err
}

// checkLoopback refuses addresses that others could reach: the admin API and
// the key document give secrets away.
func checkLoopback(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("address %q: want host:port", address)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("address %q is not a loopback address such as 127.0.0.1:0", address)
	}
	return nil
}

// forLoopback refuses requests for other hosts than loopback's: a name that a
// stranger's page has made to mean 127.0.0.1 is one, and the page could read the
// answer (DNS rebinding).
func forLoopback(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		if ip := net.ParseIP(strings.Trim(host, "[]")); !strings.EqualFold(host, "localhost") && (ip == nil || !ip.IsLoopback()) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, `{"error":"the host is not loopback's"}`+"\n")
			return
		}
		h.ServeHTTP(w, r)
	})
}

// pause waits for d, or less: it reports false when ctx ended first, with which
// the client or the server went away.
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
