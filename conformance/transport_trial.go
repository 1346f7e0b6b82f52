package conformance

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/source"
)

// A transportTrial is the state of one running case: a server that accepts the
// key v1, and the RoundTripper under test, which uses it.
type transportTrial struct {
	testing.TB
	h        TransportHarness
	protocol string
	api      *mockapi.API
	trusted  *x509.CertPool
	keys     *Keys
	base     *base
	rt       http.RoundTripper
	refresh  func()
	client   *http.Client
	v1       source.Key
}

func newTransportTrial(t testing.TB, h TransportHarness, protocol string) *transportTrial {
	t.Helper()
	need(t, "New", h.New != nil)
	s := &transportTrial{TB: t, h: h, protocol: protocol, trusted: x509.NewCertPool(), keys: &Keys{}}
	s.api = s.server()
	s.v1 = s.api.Issue(mockapi.Spec{})
	s.keys.set(s.v1, false)
	s.base = &base{Transport: &http.Transport{
		TLSClientConfig:       &tls.Config{RootCAs: s.trusted},
		ForceAttemptHTTP2:     protocol == HTTP2,
		ExpectContinueTimeout: limit,
		MaxIdleConnsPerHost:   64,
	}}
	t.Cleanup(s.base.Transport.CloseIdleConnections)
	s.rt, s.refresh = h.New(t, s.keys, s.base)
	s.client = &http.Client{Transport: s.rt}
	return s
}

// server starts a server for the case's protocol; the base trusts its certificate.
func (s *transportTrial) server() *mockapi.API {
	s.Helper()
	opt := mockapi.WithTLS()
	if s.protocol == HTTP2 {
		opt = mockapi.WithHTTP2()
	}
	api := mockapi.New(s, opt)
	s.trusted.AppendCertsFromPEM(api.CA())
	return api
}

// rotate makes key current at the source and waits until the RoundTripper uses it.
func (s *transportTrial) rotate(key source.Key) {
	s.keys.set(key, false)
	if s.refresh != nil {
		s.refresh()
	}
}

// sourceMoves sends a request with v1, and then makes a new key current that the
// server does not accept.
func (s *transportTrial) sourceMoves() source.Key {
	s.Helper()
	s.get("v1")
	key := s.api.Issue(mockapi.Spec{Inactive: true})
	s.rotate(key)
	return key
}

// request makes a request to the server. Its context ends with the case, or
// after twice the case's limit.
func (s *transportTrial) request(method, path string, body io.Reader) *http.Request {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), 2*patience(s))
	s.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, method, s.api.URL()+path, body)
	if err != nil {
		s.Fatal(err)
	}
	return req
}

// send calls RoundTrip directly and reads the response. A panic fails the case.
func (s *transportTrial) send(req *http.Request) (*http.Response, string, error) {
	s.Helper()
	resp, err := s.trip(req)
	if err != nil {
		return nil, "", err
	}
	text, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	return resp, string(text), err
}

func (s *transportTrial) trip(req *http.Request) (resp *http.Response, err error) {
	s.Helper()
	defer func() {
		if p := recover(); p != nil {
			resp, err = nil, errors.New("RoundTrip panicked")
			s.Errorf("RoundTrip panicked: %v", p)
		}
	}()
	resp, err = s.rt.RoundTrip(req)
	switch {
	case err != nil && resp != nil:
		s.Error("RoundTrip returned both a response and an error") // F31
	case err == nil && resp == nil:
		s.Error("RoundTrip returned neither a response nor an error")
		err = errors.New("RoundTrip returned nothing")
	case err == nil && resp.Body == nil:
		s.Error("the response's Body is nil")
		resp.Body = http.NoBody
	}
	if err != nil {
		noSecret(s, "an error", err.Error())
	}
	return resp, err
}

// get sends a GET and checks that it gets 200 with the key version; an empty
// version allows any.
func (s *transportTrial) get(version string) {
	s.Helper()
	s.want(s.request(http.MethodGet, "/", nil), version)
}

// want sends req and checks that it gets 200 with the key version; an empty
// version allows any.
func (s *transportTrial) want(req *http.Request, version string) {
	s.Helper()
	resp, _, err := s.send(req)
	switch {
	case err != nil:
		s.Fatalf("%s %s: %v", req.Method, req.URL.Path, err)
	case resp.StatusCode != http.StatusOK:
		s.Fatalf("%s %s: status %d with key version %s, want 200", req.Method, req.URL.Path, resp.StatusCode, resp.Header.Get(mockapi.VersionHeader))
	case version != "" && resp.Header.Get(mockapi.VersionHeader) != version:
		s.Fatalf("%s %s: served with key version %s, want %s", req.Method, req.URL.Path, resp.Header.Get(mockapi.VersionHeader), version)
	}
}

// attempts returns how many requests have reached the server.
func (s *transportTrial) attempts() int { return len(s.api.Requests()) }

// base is the RoundTripper below the one under test. It sends requests, or
// answers them itself.
type base struct {
	*http.Transport
	mu     sync.Mutex
	answer func(*http.Request) (*http.Response, error)
	early  func(*http.Request) *http.Response // answers the next request, then is nil
	again  func()                             // runs before each request after early
	closed int                                // calls of CloseIdleConnections
}

func (b *base) RoundTrip(req *http.Request) (*http.Response, error) {
	b.mu.Lock()
	answer, early, again := b.answer, b.early, b.again
	b.early = nil
	b.mu.Unlock()
	switch {
	case early != nil:
		return early(req), nil
	case again != nil:
		again()
	}
	if answer == nil {
		return b.Transport.RoundTrip(req)
	}
	if req.Body != nil {
		defer req.Body.Close() // the contract of http.RoundTripper
	}
	return answer(req)
}

func (b *base) CloseIdleConnections() {
	b.mu.Lock()
	b.closed++
	b.mu.Unlock()
	b.Transport.CloseIdleConnections()
}

func (b *base) closings() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closed
}

// instead makes f answer all requests; with nil, requests are sent again.
func (b *base) instead(f func(*http.Request) (*http.Response, error)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answer, b.early = f, nil
}

// refuseFirst answers the next attempt with 401 when begin returns. Later attempts
// reach the server. begin gets the attempt's body, and returns what runs before each
// later attempt.
func (b *base) refuseFirst(begin func(body io.Reader) (again func())) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.early = func(req *http.Request) *http.Response {
		again := begin(req.Body)
		b.mu.Lock()
		b.again = again
		b.mu.Unlock()
		resp, _ := ok(req)
		resp.StatusCode, resp.Status = http.StatusUnauthorized, "401 Unauthorized"
		return resp
	}
}

// ok answers req with 200 and no body.
func ok(req *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, Status: "200 OK", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: make(http.Header), Body: http.NoBody, Request: req,
	}, nil
}

// within waits for c for at most d, and reports whether c was closed or received
// from.
func within(c <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-c:
		return true
	case <-timer.C:
		return false
	}
}
