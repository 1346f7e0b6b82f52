package conformance

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
)

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
	_, _ = w.Write([]byte("the beginning")) // a RoundTripper that buffers the body would wait for the rest
	if !within(arrived, min(patience(s), 3*time.Second)) {
		s.Error("the request was not sent before its body was read to the end")
	}
	_, _ = w.Write([]byte(" and the end"))
	_ = w.Close()
	returns(s, "the request", func() { <-done })
	if !s.Failed() {
		keepsNothing(s)
	}
}

// F33: the RoundTripper keeps nothing of the bodies in memory.
func keepsNothing(s *transportTrial) {
	for _, length := range []int64{bulk, -1} {
		if s.Failed() {
			return
		}
		sent, received := make(chan struct{}), make(chan struct{})
		var once sync.Once
		arrived := make(chan struct{})
		var there, back counter
		s.api.Intercept(func(w http.ResponseWriter, r *http.Request, _ mockapi.Attempt) bool {
			_, _ = io.CopyN(&there, r.Body, bulk-1)
			once.Do(func() { close(arrived) })
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.CopyN(w, zeros{}, bulk-1)
			_ = http.NewResponseController(w).Flush()
			select {
			case <-received:
			case <-r.Context().Done():
			}
			_, _ = w.Write([]byte("x"))
			return true
		})
		before := live()
		// No deadline: a slow machine may take long for so many bytes.
		ctx, cancel := context.WithCancel(s.Context())
		s.Cleanup(cancel)
		req := s.request(http.MethodPut, "/", io.MultiReader(io.LimitReader(zeros{}, bulk-1), &last{sent: sent})).WithContext(ctx)
		req.ContentLength = length
		done := make(chan struct{})
		var resp *http.Response
		go func() {
			defer close(done)
			resp, _ = s.trip(req)
		}()
		if !s.flows(arrived, &there) {
			s.Error("the server did not receive the body before its last byte was written")
		} else {
			s.free("the request body", before)
		}
		close(sent)
		returns(s, "the request", func() { <-done })
		if resp == nil {
			s.Fatal("the request failed")
		}
		read := make(chan struct{})
		go func() { defer close(read); _, _ = io.CopyN(&back, resp.Body, bulk-1) }()
		if s.flows(read, &back) {
			s.free("the response body", before)
		} else {
			cancel()
		}
		close(received)
		returns(s, "reading the end of the response body", func() { <-read; _, _ = io.Copy(&back, resp.Body) })
		_ = resp.Body.Close()
		if n := back.n.Load(); n != bulk {
			s.Errorf("the response body has %d bytes, want %d", n, bulk)
		}
	}
}

// bulk is the length of the bodies, 8 MiB: large enough to show in the heap.
const bulk = 8 << 20

// live returns the bytes of reachable heap objects.
func live() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// free waits until the heap has grown by at most half of bulk since before. Memory of
// other tests is freed in time; a body that is kept is not.
func (s *transportTrial) free(what string, before uint64) {
	s.Helper()
	for end := time.Now().Add(patience(s)); live() > before+bulk/2; within(s.Context().Done(), 50*time.Millisecond) {
		if time.Now().After(end) {
			s.Errorf("%s is held in memory as a whole", what)
			return
		}
	}
}

// flows waits for done. It returns false if no further byte was counted within limit.
func (s *transportTrial) flows(done <-chan struct{}, bytes *counter) bool {
	for last := int64(0); !within(done, limit); {
		now := bytes.n.Load()
		if now == last {
			return false
		}
		last = now
	}
	return true
}

// A counter is an io.Writer that counts bytes.
type counter struct{ n atomic.Int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n.Add(int64(len(p)))
	return len(p), nil
}

// zeros is an endless reader of zero bytes.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// last is a reader of one byte, which it returns when sent is closed.
type last struct {
	sent <-chan struct{}
	done bool
}

func (l *last) Read(p []byte) (int, error) {
	<-l.sent
	if l.done || len(p) == 0 {
		return 0, io.EOF
	}
	l.done = true
	p[0] = 'x'
	return 1, nil
}

// trailing is a body that sets its request's trailer at the end, as the
// documentation of http.Request.Trailer allows.
type trailing struct {
	io.Reader
	req *http.Request
	sum int64
	set *atomic.Int64 // the last sum that any body has set
}

func (t *trailing) Read(p []byte) (int, error) {
	n, err := t.Reader.Read(p)
	if err == io.EOF {
		t.req.Trailer.Set("X-Sum", fmt.Sprint(t.sum))
		t.set.Store(t.sum)
	}
	return n, err
}

func (t *trailing) Close() error { return nil }

// F37
func trailer(s *transportTrial) {
	var bodies, set atomic.Int64
	put := func() *http.Request {
		req := s.request(http.MethodPut, "/", nil)
		req.ContentLength = -1
		req.Trailer = http.Header{"X-Sum": nil}
		req.GetBody = func() (io.ReadCloser, error) {
			return &trailing{strings.NewReader("order"), req, bodies.Add(1), &set}, nil
		}
		req.Body, _ = req.GetBody()
		return req
	}
	arrived := func() { // each body has a different sum
		s.Helper()
		list := s.api.Requests()
		if got, want := list[len(list)-1].Trailer.Get("X-Sum"), fmt.Sprint(set.Load()); got != want {
			s.Errorf("the server received the trailer %q, want %q", got, want)
		}
	}
	s.want(put(), "v1")
	arrived()
	// The server refuses after it has read the body, so that the first attempt has sent
	// its trailer before the second begins.
	refusal := mockapi.Unauthorized()
	refusal.ReadBody = true
	s.api.SetRefusal(refusal)
	s.sourceMoves()
	switch resp, _, err := s.send(put()); {
	case err != nil:
		s.Fatal(err)
	case resp.StatusCode == http.StatusOK:
		arrived()
	}
}

// F38
func expectContinue(s *transportTrial) {
	post := func(again bool) int {
		req := s.request(http.MethodPost, "/orders", strings.NewReader("order"))
		req.Header.Set("Expect", "100-continue")
		if !again {
			req.GetBody = nil
		}
		before := len(s.api.Orders())
		resp, _, err := s.send(req)
		if err != nil {
			s.Fatal(err)
		}
		want := 0
		if resp.StatusCode == http.StatusOK {
			want = 1
		}
		if n := len(s.api.Orders()) - before; n != want {
			s.Errorf("status %d and %d orders applied, want %d", resp.StatusCode, n, want)
		}
		return resp.StatusCode
	}
	if status := post(true); status != http.StatusOK {
		s.Fatalf("status %d, want 200", status)
	}
	s.sourceMoves()
	with := post(true)
	s.rotate(s.api.Issue(mockapi.Spec{Inactive: true}))
	without := post(false)
	for _, a := range s.api.Requests() {
		// net/http's HTTP/2 server removes the header before the handler sees it.
		if s.protocol == HTTP1 && a.Path == "/orders" && a.Header.Get("Expect") != "100-continue" {
			s.Errorf("an attempt has Expect %q, want 100-continue", a.Header.Get("Expect"))
		}
	}
	// The server sent no 100 Continue, so no byte of the body was read: it can be sent
	// with the second attempt even without GetBody.
	if without != with {
		s.Errorf("status %d without GetBody, but %d with it", without, with)
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
		s.Fatalf("status %d with a body of type %T, want 101 with an io.ReadWriteCloser", resp.StatusCode, resp.Body)
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
	longAnswerOf(s)
	again := newTransportTrial(s.TB, s.h, s.protocol)
	again.sourceMoves()
	longAnswerOf(again) // for a second attempt too
}

func longAnswerOf(s *transportTrial) {
	long := make([]byte, 1<<20)
	for i := range long {
		long[i] = byte(i * i >> 8)
	}
	half := len(long) / 2
	more := make(chan struct{})
	s.api.Intercept(func(w http.ResponseWriter, r *http.Request, a mockapi.Attempt) bool {
		if !a.Accepted {
			return false
		}
		_, _ = w.Write(long[:half])
		_ = http.NewResponseController(w).Flush()
		select {
		case <-more:
		case <-r.Context().Done():
		}
		_, _ = w.Write(long[half:])
		return true
	})
	var resp *http.Response
	returns(s, "RoundTrip before the end of the response body", func() {
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
	got, err := io.ReadAll(resp.Body)
	if resp.StatusCode == http.StatusOK && (err != nil || !bytes.Equal(got, long)) {
		s.Errorf("read %d bytes and error %v, want the same %d bytes as the server sent", len(got), err, len(long))
	}
}
