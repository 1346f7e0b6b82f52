package conformance

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
)

// counted notes how many bodies are open.
type counted struct {
	io.Reader
	open *atomic.Int64
	once sync.Once
}

func (c *counted) Close() error {
	c.once.Do(func() { c.open.Add(-1) })
	return nil
}

// F30
func closesBody(s *transportTrial) {
	var open atomic.Int64
	body := func() io.ReadCloser {
		open.Add(1)
		return &counted{Reader: strings.NewReader("order"), open: &open}
	}
	post := func() *http.Request {
		req := s.request(http.MethodPost, "/orders", nil)
		req.Body, req.ContentLength = body(), 5
		req.GetBody = func() (io.ReadCloser, error) { return body(), nil }
		return req
	}
	closed := func(what string) {
		s.Helper()
		eventually(s, "every body closed after "+what, func() bool { return open.Load() == 0 })
	}
	s.want(post(), "v1")
	closed("a success")

	cancelled := post()
	ctx, cancel := context.WithCancel(cancelled.Context())
	cancel()
	_, _, _ = s.send(cancelled.WithContext(ctx))
	closed("a context that had ended")

	s.base.instead(func(*http.Request) (*http.Response, error) { return nil, errBase })
	_, _, _ = s.send(post())
	closed("an error of the base's")
	s.base.instead(nil)

	s.rotate(s.api.Issue(mockapi.Spec{Inactive: true}))
	_, _, _ = s.send(post())
	closed("a refusal")

	elsewhere := post()
	elsewhere.URL.Scheme = "gopher"
	_, _, _ = s.send(elsewhere)
	closed("a URL that cannot be had")

	if closing, ok := s.rt.(io.Closer); ok {
		_ = closing.Close()
		_, _, _ = s.send(post())
		closed("Close")
	}
}

// F31
func keepsRefusal(s *transportTrial) {
	s.sourceMoves()
	req := s.request(http.MethodPost, "/orders", strings.NewReader("order"))
	req.GetBody = func() (io.ReadCloser, error) { return nil, errors.New("gone") }
	resp, text, err := s.send(req)
	if err != nil {
		s.Fatalf("an error in place of the refusal: %v", err)
	}
	if resp.StatusCode != http.StatusUnauthorized || text != mockapi.Unauthorized().Body {
		s.Errorf("status %d with %d bytes, want the refusal whole", resp.StatusCode, len(text))
	}
}

// F32
func reuse(s *transportTrial) {
	s.get("v1")
	const requests = 8 // fewer than the previous keys that a ring keeps
	for range requests {
		s.rotate(s.api.Issue(mockapi.Spec{Inactive: true}))
		if _, _, err := s.send(s.request(http.MethodGet, "/", nil)); err != nil {
			s.Fatal(err)
		}
	}
	if n := s.api.Connections(); n > 2 {
		s.Errorf("%d connections for %d requests, one after the other", n, requests)
	}
}

// F32
func endlessRefusal(s *transportTrial) {
	s.get("v1")
	for _, refusal := range []mockapi.Refusal{
		{Endless: true},
		{Endless: true, Drip: 10 * time.Millisecond},
	} {
		s.api.SetRefusal(refusal)
		s.rotate(s.api.Issue(mockapi.Spec{Inactive: true}))
		returns(s, "a request whose refusal has no end", func() {
			resp, err := s.trip(s.request(http.MethodGet, "/", nil))
			if err != nil {
				s.Errorf("the request failed: %v", err)
				return
			}
			_ = resp.Body.Close()
		})
	}
}

// F33
func streams(s *transportTrial) {
	arrived := make(chan struct{})
	var once sync.Once
	s.api.Intercept(func(http.ResponseWriter, *http.Request, mockapi.Attempt) bool {
		once.Do(func() { close(arrived) })
		return false
	})
	r, w := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.want(s.request(http.MethodPut, "/", r), "v1")
	}()
	_, _ = w.Write([]byte("the beginning")) // whoever reads it all wants the rest first
	if !within(arrived, 3*time.Second) {
		s.Error("the request is not sent before its body is read whole")
	}
	_, _ = w.Write([]byte(" and the end"))
	_ = w.Close()
	returns(s, "the request", func() { <-done })
}

// F34
func noGetBody(s *transportTrial) {
	s.sourceMoves()
	req := s.request(http.MethodPost, "/orders", io.MultiReader(strings.NewReader("order")))
	resp, text, err := s.send(req)
	if err != nil {
		s.Fatalf("an error in place of the refusal: %v", err)
	}
	if n := s.attempts(); n != 2 {
		s.Errorf("%d attempts with one body", n-1)
	}
	if resp.StatusCode != http.StatusUnauthorized || text != mockapi.Unauthorized().Body {
		s.Errorf("status %d with %d bytes, want the refusal whole", resp.StatusCode, len(text))
	}
}

// F35
func wholeBody(s *transportTrial) {
	s.sourceMoves()
	body := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	sum := sha256.Sum256(body)
	resp, _, err := s.send(s.request(http.MethodPost, "/orders", bytes.NewReader(body)))
	if err != nil {
		s.Fatal(err)
	}
	orders := s.api.Orders()
	if resp.StatusCode == http.StatusOK && len(orders) != 1 || len(orders) > 1 {
		s.Fatalf("status %d, and %d orders applied", resp.StatusCode, len(orders))
	}
	for _, o := range orders {
		if o.Sum != hex.EncodeToString(sum[:]) {
			s.Errorf("%d bytes arrived, want %d, byte for byte", o.Length, len(body))
		}
	}
}

// F36
func sameRequest(s *transportTrial) {
	s.sourceMoves()
	for _, body := range []io.Reader{nil, http.NoBody, strings.NewReader("order"), io.MultiReader(strings.NewReader("order"))} {
		before := s.attempts()
		req := s.request(http.MethodPut, "/path?a=1&b=%20", body)
		req.Header["X-Two"] = []string{"a", "b"}
		if _, _, err := s.send(req); err != nil {
			s.Fatal(err)
		}
		list := s.api.Requests()[before:]
		for i := range list[1:] {
			a, b := list[0], list[i+1]
			if a.Method != b.Method || a.Host != b.Host || a.Path != b.Path || a.Query != b.Query ||
				a.ContentLength != b.ContentLength || !reflect.DeepEqual(a.TransferEncoding, b.TransferEncoding) ||
				!reflect.DeepEqual(a.Header, b.Header) {
				s.Errorf("attempts differ: %+v and %+v", a, b)
			}
		}
		s.rotate(s.api.Issue(mockapi.Spec{Inactive: true}))
	}
}

// trailing sets its request's trailer at the body's end, as the documentation of
// http.Request.Trailer allows.
type trailing struct {
	io.Reader
	req *http.Request
}

func (t *trailing) Read(p []byte) (int, error) {
	n, err := t.Reader.Read(p)
	if err == io.EOF {
		t.req.Trailer.Set("X-Sum", "42")
	}
	return n, err
}

func (t *trailing) Close() error { return nil }

// F37
func trailer(s *transportTrial) {
	req := s.request(http.MethodPut, "/", nil)
	req.ContentLength = -1
	req.Trailer = http.Header{"X-Sum": nil}
	req.Body = &trailing{strings.NewReader("order"), req}
	s.want(req, "v1")
	if got := s.api.Requests()[0].Trailer.Get("X-Sum"); got != "42" {
		s.Errorf("the trailer that arrived is %q", got)
	}
}

// F38
func expectContinue(s *transportTrial) {
	post := func() *http.Request {
		req := s.request(http.MethodPost, "/orders", strings.NewReader("order"))
		req.Header.Set("Expect", "100-continue")
		return req
	}
	s.want(post(), "v1")
	s.sourceMoves()
	resp, _, err := s.send(post())
	if err != nil {
		s.Fatal(err)
	}
	want := 1
	if resp.StatusCode == http.StatusOK {
		want = 2
	}
	if n := len(s.api.Orders()); n != want {
		s.Errorf("%d orders applied, want %d", n, want)
	}
}

// F39
func upgrade(s *transportTrial) {
	s.api.Intercept(func(w http.ResponseWriter, _ *http.Request, _ mockapi.Attempt) bool {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return false
		}
		defer conn.Close()
		_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_ = rw.Flush()
		line, _ := rw.ReadString('\n')
		_, _ = rw.WriteString(line)
		_ = rw.Flush()
		return true
	})
	req := s.request(http.MethodGet, "/", nil)
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "echo")
	resp, err := s.trip(req)
	if err != nil {
		s.Fatal(err)
	}
	defer resp.Body.Close()
	rw, ok := resp.Body.(io.ReadWriteCloser)
	if resp.StatusCode != http.StatusSwitchingProtocols || !ok {
		s.Fatalf("status %d, and a body of type %T", resp.StatusCode, resp.Body)
	}
	if _, err := fmt.Fprintln(rw, "hello"); err != nil {
		s.Fatal(err)
	}
	if text, err := io.ReadAll(rw); err != nil || string(text) != "hello\n" {
		s.Errorf("read %q, %v", text, err)
	}
}

// F40, F73
func longAnswer(s *transportTrial) {
	half := bytes.Repeat([]byte("x"), 1<<19)
	more := make(chan struct{})
	s.api.Intercept(func(w http.ResponseWriter, r *http.Request, _ mockapi.Attempt) bool {
		_, _ = w.Write(half)
		_ = http.NewResponseController(w).Flush()
		select {
		case <-more:
		case <-r.Context().Done():
		}
		_, _ = w.Write(half)
		return true
	})
	var resp *http.Response
	returns(s, "RoundTrip before the answer's end", func() {
		var err error
		if resp, err = s.trip(s.request(http.MethodGet, "/", nil)); err != nil {
			s.Error(err)
		}
	})
	if resp == nil {
		close(more)
		return
	}
	defer resp.Body.Close()
	s.rotate(s.api.Rotate(0))
	close(more)
	n, err := io.Copy(io.Discard, resp.Body)
	if err != nil || n != int64(2*len(half)) {
		s.Errorf("%d bytes of %d, %v", n, 2*len(half), err)
	}
}
