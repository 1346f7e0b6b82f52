package conformance

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
)

// F28
func unchanged(s *transportTrial) {
	body := strings.NewReader("order")
	req := s.request(http.MethodPost, "/orders?x=1", body)
	req.Header["X-Two"] = []string{"a", "b"}
	fresh := req.GetBody
	before := *req
	before.Header = req.Header.Clone()
	u := *req.URL
	for n := range 3 {
		if n == 1 {
			s.rotate(s.api.Rotate(time.Hour))
		}
		s.want(req, "")
		if req.Body != before.Body || reflect.ValueOf(req.GetBody).Pointer() != reflect.ValueOf(fresh).Pointer() {
			s.Error("RoundTrip changed the request's Body or GetBody")
		}
		if !reflect.DeepEqual(req.Header, before.Header) {
			s.Error("RoundTrip changed the request's Header")
		}
		if *req.URL != u || req.Host != before.Host || req.Method != before.Method || req.ContentLength != before.ContentLength {
			s.Error("RoundTrip changed the request's URL, Host, Method or ContentLength")
		}
		again, err := fresh()
		if err != nil {
			s.Fatal(err)
		}
		req.Body, before.Body = again, again
	}
}

// F29
func nilHeader(s *transportTrial) {
	u, err := url.Parse(s.api.URL())
	if err != nil {
		s.Fatal(err)
	}
	req := (&http.Request{URL: u}).WithContext(s.Context())
	s.want(req, "v1")
	if req.Header != nil {
		s.Error("the request was given a header")
	}
}

var errBase = errors.New("error of the base")

// F31
func oneResult(s *transportTrial) {
	s.base.instead(func(*http.Request) (*http.Response, error) { return nil, errBase })
	if _, _, err := s.send(s.request(http.MethodGet, "/", nil)); !errors.Is(err, errBase) {
		s.Errorf("error %v, want one that wraps the base's error", err)
	}
	s.base.instead(nil)
	s.get("")
}

// F41
func cancelBetween(s *transportTrial) {
	cancelFirst(s)
	another := func() *transportTrial { return newTransportTrial(s.TB, s.h, s.protocol) }
	cancelRefused(another())
	cancelSecond(another())
	cancelWaiting(another())
}

// cancelFirst ends the context while the first attempt is in flight.
func cancelFirst(s *transportTrial) {
	s.sourceMoves()
	req := s.request(http.MethodGet, "/", nil)
	ctx, cancel := context.WithCancel(req.Context())
	defer cancel()
	s.api.Intercept(func(_ http.ResponseWriter, r *http.Request, _ mockapi.Attempt) bool {
		cancel()
		<-r.Context().Done() // the client has closed the connection
		panic(http.ErrAbortHandler)
	})
	_, _, err := s.send(req.WithContext(ctx))
	if !errors.Is(err, context.Canceled) {
		s.Errorf("error %v, want context.Canceled", err)
	}
	s.api.Intercept(nil)
	s.rotate(s.v1)
	s.get("v1") // a second attempt would have arrived before this request
	if n := s.attempts(); n != 3 {
		s.Errorf("%d attempts for 3 requests, want none after the context has ended", n)
	}
}

// cancelRefused ends the context when the refusal has arrived but the base has not
// returned it yet.
func cancelRefused(s *transportTrial) {
	s.sourceMoves()
	came, gone := make(chan struct{}), make(chan struct{})
	s.refusals(func() { close(came); <-gone })
	s.cancelled("with a refusal", came, func() { close(gone) }, func() {})
	if n := s.attempts(); n != 2 {
		s.Errorf("%d attempts, want 1: none after the context has ended", n-1)
	}
}

// cancelSecond ends the context while the second attempt is in flight.
func cancelSecond(s *transportTrial) {
	s.sourceMoves()
	hold := s.api.Hold("v1")
	came := make(chan struct{})
	go func() {
		if hold.Wait(s.Context(), 1) == nil {
			close(came)
		}
	}()
	s.cancelled("in its second attempt", came, func() {}, hold.Release)
}

// cancelWaiting ends the context after the only key was refused, while the source
// has no other key.
func cancelWaiting(s *transportTrial) {
	s.get("v1")
	v2 := s.api.Rotate(0)
	came := make(chan struct{})
	s.refusals(func() { close(came) })
	s.cancelled("with no other key", came, func() {}, func() { s.keys.set(v2, false) })
}

// refusals makes the base call f before it returns the next refusal.
func (s *transportTrial) refusals(f func()) {
	var once sync.Once
	s.base.instead(func(req *http.Request) (*http.Response, error) {
		resp, err := s.base.Transport.RoundTrip(req)
		if err == nil && resp.StatusCode == http.StatusUnauthorized {
			once.Do(f)
		}
		return resp, err
	})
}

// cancelled sends a GET, ends its context when came is closed, and then calls
// ended. The request must return the context's error, or a refusal, before free
// is called, which would let the request go on. where says what the request was
// doing.
func (s *transportTrial) cancelled(where string, came <-chan struct{}, ended, free func()) {
	s.Helper()
	req := s.request(http.MethodGet, "/", nil)
	ctx, cancel := context.WithCancel(req.Context())
	defer cancel()
	done := make(chan struct{})
	var resp *http.Response
	var err error
	go func() {
		defer close(done)
		if resp, err = s.trip(req.WithContext(ctx)); err == nil {
			_ = resp.Body.Close()
		}
	}()
	select {
	case <-came:
	case <-done: // the RoundTripper neither repeats the request nor waits
	case <-req.Context().Done():
	}
	cancel()
	ended()
	if !within(done, min(patience(s), 3*time.Second)) {
		s.Errorf("a request %s did not return after its context had ended", where)
	}
	free()
	returns(s, "a request "+where, func() { <-done })
	switch {
	case err != nil && !errors.Is(err, context.Canceled):
		s.Errorf("error %v of a request %s, want context.Canceled", err, where)
	case err == nil && resp.StatusCode != http.StatusUnauthorized:
		s.Errorf("status %d of a request %s whose context has ended, want the refusal or an error", resp.StatusCode, where)
	}
}

// F43
func responseRequest(s *transportTrial) {
	look := func() {
		s.Helper()
		resp, _, err := s.send(s.request(http.MethodGet, "/", nil))
		if err != nil {
			s.Fatal(err)
		}
		if resp.Request == nil {
			s.Fatal("resp.Request is nil")
		}
		noSecret(s, "resp.Request", fmt.Sprintf("%v %v", resp.Request.Header, resp.Request.URL))
	}
	look()
	s.sourceMoves()
	look() // after a second attempt
}

// F44
func closeIdle(s *transportTrial) {
	s.get("")
	s.client.CloseIdleConnections()
	if s.base.closings() == 0 {
		s.Error("CloseIdleConnections did not call that of the base")
	}
}

// F48
func stacked(s *transportTrial) {
	inner := s.rt
	s.rt, _ = s.h.New(s, s.keys, inner)
	s.get("")
	for _, a := range s.api.Requests() {
		if n := len(a.Header["Authorization"]); n != 1 {
			s.Errorf("a request has %d Authorization values, want 1", n)
		}
	}
}

// F50
func concurrentRequests(s *transportTrial) {
	const clients, each, rotations = 16, 20, 5
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for range each {
				resp, _, err := s.send(s.request(http.MethodGet, "/", nil))
				if err != nil || resp.StatusCode != http.StatusOK {
					s.Errorf("a request failed: %v %v", resp, err)
					return
				}
			}
		})
	}
	for range rotations {
		s.rotate(s.api.Rotate(time.Hour))
	}
	wg.Wait()
	s.get(fmt.Sprintf("v%d", rotations+1))
}

// F51
func early(s *transportTrial) {
	s.api.Intercept(func(w http.ResponseWriter, _ *http.Request, _ mockapi.Attempt) bool {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		return false
	})
	hints := 0
	req := s.request(http.MethodGet, "/", nil)
	ctx := httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(code int, _ textproto.MIMEHeader) error {
			if code == http.StatusEarlyHints {
				hints++
			}
			return nil
		},
	})
	s.want(req.WithContext(ctx), "v1")
	if hints != 1 {
		s.Errorf("%d of 1 early hints reached the httptrace", hints)
	}
}

// F57, F95
func errorSecrecy(s *transportTrial) {
	quote := func(req *http.Request) (*http.Response, error) {
		return nil, fmt.Errorf("proxy: cannot send %v to %s", req.Header, req.URL)
	}
	s.base.instead(quote)
	if _, _, err := s.send(s.request(http.MethodGet, "/", nil)); err == nil { // send looks for the secret
		s.Error("RoundTrip returned no error although the base failed")
	}
	s.base.instead(nil)
	s.sourceMoves()
	s.refusals(func() { s.base.instead(quote) }) // now the second attempt fails
	_, _, _ = s.send(s.request(http.MethodGet, "/", nil))
}
