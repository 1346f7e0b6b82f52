package conformance

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
)

// counted is a body that decrements open when it is closed.
type counted struct {
	io.Reader
	open *atomic.Int64
	once sync.Once
}

func (c *counted) Close() error {
	c.once.Do(func() { c.open.Add(-1) })
	if under, ok := c.Reader.(io.Closer); ok {
		return under.Close()
	}
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
		eventually(s, "every request body is closed after "+what, func() bool { return open.Load() == 0 })
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
	closed("an error of the base")
	s.base.instead(nil)

	s.rotate(s.api.Issue(mockapi.Spec{Inactive: true}))
	_, _, _ = s.send(post())
	closed("a refusal")

	s.rotate(s.api.Issue(mockapi.Spec{Inactive: true}))
	gone := post()
	gone.GetBody = func() (io.ReadCloser, error) { return nil, errors.New("gone") }
	_, _, _ = s.send(gone)
	closed("a refusal whose request's body cannot be had again")

	s.rotate(s.api.Issue(mockapi.Spec{Inactive: true}))
	expecting := post()
	expecting.Header.Set("Expect", "100-continue")
	_, _, _ = s.send(expecting)
	closed("a refusal before 100 Continue")

	s.rotate(s.api.Issue(mockapi.Spec{Inactive: true}))
	ending := post()
	ctx, cancel = context.WithCancel(ending.Context())
	defer cancel()
	s.refusals(cancel)
	_, _, _ = s.send(ending.WithContext(ctx))
	closed("a refusal whose request's context has ended")
	s.base.instead(nil)

	elsewhere := post()
	elsewhere.URL.Scheme = "gopher"
	_, _, _ = s.send(elsewhere)
	closed("a URL with an unknown scheme")

	if closing, ok := s.rt.(io.Closer); ok {
		_ = closing.Close()
		_, _, _ = s.send(post())
		closed("Close")
	}
}

// F31
func keepsRefusal(s *transportTrial) {
	s.get("v1")
	for _, gone := range []error{errors.New("gone"), nil} {
		s.rotate(s.api.Issue(mockapi.Spec{Inactive: true}))
		req := s.request(http.MethodPost, "/orders", strings.NewReader("order"))
		req.GetBody = func() (io.ReadCloser, error) { return nil, gone }
		s.wantRefusal(req)
	}
}

// wantRefusal sends req and checks that it gets the server's whole refusal.
func (s *transportTrial) wantRefusal(req *http.Request) {
	s.Helper()
	resp, text, err := s.send(req)
	if err != nil {
		s.Fatalf("error %v, want the refusal", err)
	}
	if resp.StatusCode != http.StatusUnauthorized || text != mockapi.Unauthorized().Body {
		s.Errorf("status %d and a body of %d bytes, want the whole refusal", resp.StatusCode, len(text))
	}
}

// F32
func reuse(s *transportTrial) {
	s.get("v1")
	const requests = 8 // a ring keeps more previous keys than this
	for range requests {
		s.rotate(s.api.Issue(mockapi.Spec{Inactive: true}))
		if _, _, err := s.send(s.request(http.MethodGet, "/", nil)); err != nil {
			s.Fatal(err)
		}
	}
	if n := s.api.Connections(); n > 2 {
		s.Errorf("%d connections for %d requests in sequence, want at most 2", n, requests)
	}
}

// F32
func endlessRefusal(s *transportTrial) {
	s.get("v1")
	var open atomic.Int64
	s.base.instead(func(req *http.Request) (*http.Response, error) {
		resp, err := s.base.Transport.RoundTrip(req)
		if err == nil {
			open.Add(1)
			resp.Body = &counted{Reader: resp.Body, open: &open}
		}
		return resp, err
	})
	for _, refusal := range []mockapi.Refusal{
		{Endless: true},
		{Endless: true, Drip: 10 * time.Millisecond},
	} {
		s.api.SetRefusal(refusal)
		s.rotate(s.api.Issue(mockapi.Spec{Inactive: true}))
		returns(s, "RoundTrip with a refusal whose body never ends", func() {
			resp, err := s.trip(s.request(http.MethodGet, "/", nil))
			if err != nil {
				s.Errorf("the request failed: %v", err)
				return
			}
			_ = resp.Body.Close()
		})
		eventually(s, "every response body is closed", func() bool { return open.Load() == 0 })
	}
	if n := s.api.Connections(); s.protocol == HTTP2 && n > 1 {
		s.Errorf("%d connections, want 1: with HTTP/2 a stream can be closed without its connection", n)
	}
}

// F34
func noGetBody(s *transportTrial) {
	for _, read := range []bool{false, true} { // whether the server reads the body before it refuses
		refusal := mockapi.Unauthorized()
		refusal.ReadBody = read
		s.api.SetRefusal(refusal)
		s.get("")
		s.rotate(s.api.Issue(mockapi.Spec{Inactive: true}))
		r, w := io.Pipe()
		go func() {
			_, err := io.WriteString(w, "order")
			w.CloseWithError(err)
		}()
		before, orders := s.attempts(), len(s.api.Orders())
		resp, text, err := s.send(s.request(http.MethodPost, "/orders", r))
		switch n := s.attempts() - before; {
		case err != nil:
			s.Fatalf("error %v, want the refusal", err)
		case resp.StatusCode == http.StatusOK && !read && n == 2:
			// The server refused before a byte of the body was read: it may be sent.
			if list := s.api.Orders()[orders:]; len(list) != 1 || list[0].Length != 5 {
				s.Errorf("orders applied: %+v, want the whole order, once", list)
			}
		case resp.StatusCode != http.StatusUnauthorized || text != mockapi.Unauthorized().Body:
			s.Errorf("status %d and a body of %d bytes, want the whole refusal", resp.StatusCode, len(text))
		case n != 1:
			s.Errorf("%d attempts with a body that has no GetBody, want 1", n)
		}
		_ = r.Close()
		s.rotate(s.v1)
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
			s.Errorf("the server received %d bytes, want the same %d bytes as sent", o.Length, len(body))
		}
	}
}

// rewound is a body whose GetBody rewinds the reader and returns it again. Two
// attempts may read it at the same time, which is the fault that the case looks
// for.
type rewound struct {
	mu   sync.Mutex
	text *bytes.Reader
}

func (r *rewound) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Read(p[:min(len(p), 512)])
}

func (r *rewound) Close() error { return nil }

func (r *rewound) rewind() (io.ReadCloser, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, err := r.text.Seek(0, io.SeekStart)
	return r, err
}

// F115
func rewoundBody(s *transportTrial) {
	for range 20 {
		s.sourceMoves()
		text := bytes.Repeat([]byte("0123456789abcdef"), 1<<8)
		body := &rewound{text: bytes.NewReader(text)}
		req := s.request(http.MethodPost, "/orders", nil)
		req.Body, req.GetBody, req.ContentLength = body, body.rewind, int64(len(text))
		// The server refuses before it has read the whole request. The first attempt
		// is still reading the body when the second begins: it reads once before the
		// second does, and on beside it.
		over := make(chan struct{})
		var sending sync.WaitGroup
		s.base.refuseFirst(func(first io.Reader) (again func()) {
			head := make([]byte, 1<<10)
			_, _ = io.ReadFull(first, head)
			begun, read := make(chan struct{}), make(chan struct{})
			sending.Go(func() {
				select {
				case <-begun:
				case <-over:
				}
				_, err := first.Read(head[:64])
				for close(read); err == nil; _, err = first.Read(head[:64]) {
					runtime.Gosched()
				}
			})
			return sync.OnceFunc(func() {
				close(begun)
				within(read, limit/10) // a transport may make it wait
			})
		})
		before := len(s.api.Orders())
		resp, _, err := s.send(req)
		close(over)
		s.base.instead(nil)
		sending.Wait()
		if err != nil {
			s.Fatal(err)
		}
		orders := s.api.Orders()[before:]
		if resp.StatusCode == http.StatusOK && len(orders) != 1 || len(orders) > 1 {
			s.Fatalf("status %d, and %d orders applied", resp.StatusCode, len(orders))
		}
		for _, o := range orders {
			if sum := sha256.Sum256(text); o.Sum != hex.EncodeToString(sum[:]) {
				s.Fatalf("the server received %d bytes, want the same %d bytes as sent", o.Length, len(text))
			}
		}
		s.rotate(s.v1)
	}
}

// F36
func sameRequest(s *transportTrial) {
	s.sourceMoves()
	order := func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("order")), nil }
	resent := 0
	for _, b := range []struct {
		get      func() (io.ReadCloser, error)
		length   int64
		encoding []string
	}{
		{nil, 0, nil},
		{func() (io.ReadCloser, error) { return http.NoBody, nil }, 0, nil},
		{order, 5, nil},
		{order, -1, nil},
		{order, 5, []string{"chunked"}},
	} {
		before := s.attempts()
		req := s.request(http.MethodPut, "/a%2Fb?a=1&b=%20&a=2", nil)
		if req.GetBody = b.get; b.get != nil {
			req.Body, _ = b.get()
		}
		req.ContentLength, req.TransferEncoding = b.length, b.encoding
		req.Header["X-Two"] = []string{"a", "b"}
		req.Header.Set("User-Agent", "")
		if _, _, err := s.send(req); err != nil {
			s.Fatal(err)
		}
		list := s.api.Requests()[before:]
		if resent = max(resent, len(list)); len(list) < resent {
			s.Errorf("a request with a body of length %d and encoding %q was not sent again", b.length, b.encoding)
		}
		for i := range list[1:] {
			a, b := list[0], list[i+1]
			if a.Method != b.Method || a.Host != b.Host || a.Path != b.Path || a.Query != b.Query ||
				a.ContentLength != b.ContentLength || !reflect.DeepEqual(a.TransferEncoding, b.TransferEncoding) ||
				!reflect.DeepEqual(a.Header, b.Header) {
				s.Errorf("two attempts differ in more than the key: %+v and %+v", a, b)
			}
		}
		s.rotate(s.api.Issue(mockapi.Spec{Inactive: true}))
	}
}
