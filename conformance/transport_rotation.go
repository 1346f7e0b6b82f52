package conformance

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
)

func switches(s *transportTrial) {
	resp, _, err := s.send(s.request(http.MethodGet, "/", nil))
	if err != nil {
		s.Fatal(err)
	}
	if !strings.HasPrefix(resp.Proto, s.protocol) {
		s.Fatalf("the response's protocol is %s, want %s", resp.Proto, s.protocol)
	}
	for n := 2; n <= 5; n++ {
		s.rotate(s.api.Rotate(0))
		s.get(fmt.Sprint("v", n))
	}
	if n := s.attempts(); n != 5 {
		s.Errorf("%d attempts for 5 requests, want 5", n)
	}
}

// F60: second attempts are few, since a refused version is tried again only after
// its hold-off.
func sourceFirst(s *transportTrial) {
	const requests = 30
	s.sourceMoves()
	for n := range requests {
		s.want(s.request([]string{http.MethodGet, http.MethodHead}[n%2], "/", nil), "v1")
	}
	if n := s.attempts() - 1; n > requests+requests/3 {
		s.Errorf("%d attempts for %d requests, want at most %d", n, requests, requests+requests/3)
	}
	if n := s.api.Connections(); n > 1 {
		s.Errorf("%d connections for requests in sequence, want 1", n)
	}
	v3 := s.api.Issue(mockapi.Spec{Inactive: true})
	s.rotate(v3)
	before := s.attempts()
	s.wantRefusal(s.request(http.MethodPost, "/", io.MultiReader(strings.NewReader("order"))))
	s.get("v1") // falls back at once: the refusal is known from the request before
	if n := s.attempts() - before; n != 2 {
		s.Errorf("%d attempts for a request whose body has no GetBody and the next, want 2", n)
	}
	if err := s.api.Activate(v3.Version); err != nil {
		s.Fatal(err)
	}
	s.get("")
	if err := s.api.Revoke("v1"); err != nil {
		s.Fatal(err)
	}
	s.get("v3")
	s.rotate(s.v1) // the source returns to v1, which the server still refuses
	s.get("v3")
}

// slow is a body that is read in pieces, between which other goroutines run. It keeps
// its position in an unsynchronized field, so that the race detector reports two
// attempts that read it. The pieces are few: after each the reader queues behind all
// goroutines of a busy process.
type slow struct {
	text []byte
	next int
}

func (r *slow) Read(p []byte) (int, error) {
	if r.next == len(r.text) {
		return 0, io.EOF
	}
	runtime.Gosched()
	n := copy(p[:min(len(p), 8<<10)], r.text[r.next:])
	r.next += n
	return n, nil
}

// F60, F67
func sourceFirstPost(s *transportTrial) {
	s.sourceMoves()
	text := make([]byte, 1<<17) // too long to be sent whole before the refusal
	for i := range text {
		text[i] = byte(i * i >> 8)
	}
	sum := sha256.Sum256(text)
	body := func() (io.ReadCloser, error) { return io.NopCloser(&slow{text: text}), nil }
	for range 3 {
		req := s.request(http.MethodPost, "/orders", nil)
		req.Body, _ = body()
		req.GetBody, req.ContentLength = body, int64(len(text))
		s.want(req, "v1")
	}
	orders := s.api.Orders()
	if len(orders) != 3 {
		s.Errorf("%d orders were applied for 3 requests", len(orders))
	}
	for _, o := range orders {
		if o.Sum != hex.EncodeToString(sum[:]) {
			s.Error("an order arrived with other bytes than sent")
		}
	}
}

// F61
func serverFirst(s *transportTrial) {
	const requests = 10
	s.get("v1")
	v2 := s.api.Rotate(0)
	first := s.request(http.MethodGet, "/", nil)
	ctx, cancel := context.WithCancel(first.Context())
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() { // once two were refused, cancel one request; then the source gets the new key
		for tries := 0; s.Context().Err() == nil; tries++ {
			// Where refused keys lock out, no second request may be sent.
			if _, refused := s.api.Count("v1"); refused > 1 || refused > 0 && tries > 1000 {
				within(s.Context().Done(), 10*time.Millisecond)
				cancel()
				within(s.Context().Done(), 10*time.Millisecond)
				s.keys.set(v2, false)
				return
			}
			within(s.Context().Done(), time.Millisecond)
		}
	})
	wg.Go(func() { _, _, _ = s.send(first.WithContext(ctx)) })
	for n := range requests {
		wg.Go(func() {
			method, body := http.MethodGet, io.Reader(nil)
			if n%2 == 0 {
				method, body = http.MethodPost, strings.NewReader("order")
			}
			resp, _, err := s.send(s.request(method, "/orders", body))
			if err != nil || resp.StatusCode != http.StatusOK {
				s.Errorf("a request failed: %v", err)
			}
		})
	}
	wg.Wait()
	if n := len(s.api.Orders()); n != requests/2 {
		s.Errorf("%d orders were applied for %d requests", n, requests/2)
	}
}

// F62: only the readings after the refusals count.
func oneReading(s *transportTrial) {
	const requests = 50
	s.get("v1")
	v2 := s.api.Rotate(0)
	hold := s.api.Hold("v1")
	defer hold.Release()
	var wg sync.WaitGroup
	for range requests {
		wg.Go(func() {
			resp, _, err := s.send(s.request(http.MethodGet, "/", nil))
			if err != nil || resp.StatusCode != http.StatusOK {
				s.Errorf("a request failed: %v", err)
			}
		})
	}
	ctx, cancel := context.WithTimeout(s.Context(), limit)
	defer cancel()
	if hold.Wait(ctx, requests) != nil {
		s.Errorf("the %d requests did not reach the server at the same time", requests)
	}
	s.keys.set(v2, true)
	before := s.keys.readings()
	hold.Release()
	wg.Wait()
	if n := s.keys.readings() - before; n > 2 {
		s.Errorf("%d readings of the source for %d refusals at the same time, want at most 2", n, requests)
	}
}

// F59
func lateRefusal(s *transportTrial) {
	s.get("v1")
	if err := s.api.Deactivate("v1"); err != nil {
		s.Fatal(err)
	}
	hold := s.api.Hold("v1")
	done := make(chan struct{})
	go func() {
		defer close(done)
		resp, _, err := s.send(s.request(http.MethodGet, "/", nil))
		if err != nil || resp.StatusCode != http.StatusOK {
			s.Errorf("the request that left with the old key failed: %v", err)
		}
	}()
	ctx, cancel := context.WithTimeout(s.Context(), limit)
	defer cancel()
	if err := hold.Wait(ctx, 1); err != nil {
		s.Fatal("the request did not reach the server")
	}
	s.rotate(s.api.Issue(mockapi.Spec{}))
	s.get("v2")
	hold.Release()
	returns(s, "the request that left with the old key", func() { <-done })
	for range 5 {
		s.get("v2")
	}
	if _, refused := s.api.Count("v1"); refused != 1 {
		s.Errorf("the old key was refused %d times, want once", refused)
	}
}

// F68: a request can fall back to more than one previous key.
func twoRotations(s *transportTrial) {
	for _, good := range []string{"v2", "v1"} {
		s := newTransportTrial(s.TB, s.h, s.protocol)
		s.get("v1")
		v2, v3 := s.api.Issue(mockapi.Spec{Inactive: true}), s.api.Issue(mockapi.Spec{Inactive: true})
		s.rotate(v2)
		if s.refresh == nil {
			s.get("v1") // a RoundTripper without refresh learns of v2 at a request only
		}
		s.rotate(v3)
		if good == "v2" {
			if err := errors.Join(s.api.Deactivate("v1"), s.api.Activate("v2")); err != nil {
				s.Fatal(err)
			}
		}
		for range 3 {
			s.get(good)
		}
		if good == "v2" { // now accept v1 in place of v2
			if err := errors.Join(s.api.Deactivate("v2"), s.api.Activate("v1")); err != nil {
				s.Fatal(err)
			}
			// On a slow machine the request may probe v3 first, and then has no attempt left
			// for v1. The next one has (F122).
			req := s.request(http.MethodGet, "/", nil)
			if resp, _, err := s.send(req); err != nil || resp.StatusCode != http.StatusOK {
				s.get("v1")
			}
		}
	}
}

// F71
func rollsBack(s *transportTrial) {
	s.get("v1")
	v2 := s.api.Issue(mockapi.Spec{})
	for range 2 {
		s.rotate(v2)
		s.get("v2")
		s.rotate(s.v1)
		s.get("v1")
	}
	s.rotate(v2)
	s.get("v2")
	if n := s.attempts(); n != 6 {
		s.Errorf("%d attempts for 6 requests, want 6", n)
	}
	if err := s.api.Revoke("v2"); err != nil {
		s.Fatal(err)
	}
	s.rotate(s.v1)
	s.get("v1")
	s.get("v1")
}

// F58
func allRefused(s *transportTrial) {
	const clients, each = 10, 50
	const requests = clients * each
	s.get("v1")
	v2 := s.api.Issue(mockapi.Spec{})
	s.rotate(v2)
	s.get("v2")
	before := s.attempts()
	for _, v := range []string{"v1", "v2"} {
		if err := s.api.Revoke(v); err != nil {
			s.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for range each {
				resp, text, err := s.send(s.request(http.MethodGet, "/", nil))
				if err != nil {
					s.Errorf("error %v, want the server's refusal", err)
					return
				}
				if resp.StatusCode != http.StatusUnauthorized || text != mockapi.Unauthorized().Body {
					s.Errorf("status %d and a body of %d bytes, want the server's refusal", resp.StatusCode, len(text))
					return
				}
			}
		})
	}
	wg.Wait()
	// Further attempts are allowed for the first request of each client, and for one
	// request after each pause.
	if n := s.attempts() - before; n > requests+clients+20 {
		s.Errorf("%d attempts for %d refused requests, want at most %d", n, requests, requests+clients+20)
	}
}

// F51, F65, F66
func notTheKey(s *transportTrial) {
	s.get("v1")
	s.rotate(s.api.Rotate(time.Hour)) // so that a previous key could be tried
	long := strings.Repeat("0123456789abcdef", 1<<13)
	scope := mockapi.InsufficientScope()
	scope.Body = long
	for _, refusal := range []mockapi.Refusal{
		scope,
		{Status: http.StatusForbidden, Body: long},
		{Status: http.StatusProxyAuthRequired, Body: long},
		{Status: http.StatusNotFound, Body: long},
		{Status: http.StatusBadRequest, Body: long},
	} {
		s.api.Intercept(func(w http.ResponseWriter, r *http.Request, _ mockapi.Attempt) bool {
			s.api.Refuse(w, r, refusal)
			return true
		})
		before := s.attempts()
		resp, text, err := s.send(s.request(http.MethodGet, "/", nil))
		if err != nil {
			s.Fatalf("status %d: %v", refusal.Status, err)
		}
		if n := s.attempts() - before; n != 1 || resp.StatusCode != refusal.Status {
			s.Errorf("the server answered %d: %d attempts and status %d, want 1 attempt and the same status", refusal.Status, n, resp.StatusCode)
		}
		if text != long {
			s.Errorf("the server answered %d: the body has %d bytes, want the same %d bytes as sent", refusal.Status, len(text), len(long))
		}
	}
}

// F67
func appliedOnce(s *transportTrial) {
	s.get("v1")
	s.base.instead(func(req *http.Request) (*http.Response, error) {
		resp, err := s.base.Transport.RoundTrip(req)
		if err == nil {
			_ = resp.Body.Close() // lose the response
		}
		return nil, errBase
	})
	_, _, _ = s.send(s.request(http.MethodPost, "/orders", strings.NewReader("order")))
	s.base.instead(nil)
	if n := len(s.api.Orders()); n != 1 {
		s.Errorf("the order whose response was lost was applied %d times, want once", n)
	}
	s.api.SetRefusal(mockapi.Refusal{Status: http.StatusForbidden, Applied: true})
	s.sourceMoves()
	if _, _, err := s.send(s.request(http.MethodPost, "/orders", strings.NewReader("order"))); err != nil {
		s.Fatal(err)
	}
	if n := len(s.api.Orders()); n != 2 {
		s.Errorf("the order that was applied and refused was applied %d times, want once", n-1)
	}
}
