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
	_, _ = w.Write([]byte("the beginning")) // whoever reads it all wants the rest first
	if !within(arrived, min(patience(s), 3*time.Second)) {
		s.Error("the request is not sent before its body is read whole")
	}
	_, _ = w.Write([]byte(" and the end"))
	_ = w.Close()
	returns(s, "the request", func() { <-done })
	if !s.Failed() {
		keepsNothing(s)
	}
}

// F33: of what has gone by, nothing is found in memory.
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
		// No deadline: how long so many bytes take is up to the machine.
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
			s.Error("the body does not arrive while its last byte is not there")
		} else {
			s.free("a body", before)
		}
		close(sent)
		returns(s, "the request", func() { <-done })
		if resp == nil {
			s.Fatal("the request failed")
		}
		read := make(chan struct{})
		go func() { defer close(read); _, _ = io.CopyN(&back, resp.Body, bulk-1) }()
		if s.flows(read, &back) {
			s.free("an answer", before)
		} else {
			cancel()
		}
		close(received)
		returns(s, "reading the answer's end", func() { <-read; _, _ = io.Copy(&back, resp.Body) })
		_ = resp.Body.Close()
		if n := back.n.Load(); n != bulk {
			s.Errorf("%d bytes of the answer, want %d", n, bulk)
		}
	}
}

// bulk is how much goes by where a case looks for it in memory: 16 MiB.
const bulk = 16 << 20

// live returns how much of the heap is in use.
func live() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// free waits until no more than half of bulk is in use that was not before: what other
// tests have in use goes again, what is kept of the body stays.
func (s *transportTrial) free(what string, before uint64) {
	s.Helper()
	for end := time.Now().Add(patience(s)); live() > before+bulk/2; within(s.Context().Done(), 50*time.Millisecond) {
		if time.Now().After(end) {
			s.Errorf("%s is held in memory", what)
			return
		}
	}
}

// flows waits for done, and gives up when no byte has gone by for a while.
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

// A counter counts what is written to it.
type counter struct{ n atomic.Int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n.Add(int64(len(p)))
	return len(p), nil
}

// zeros has no end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// last is a byte that is there once sent is closed.
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

// trailing sets its request's trailer at the body's end, as the documentation of
// http.Request.Trailer allows.
type trailing struct {
	io.Reader
	req *http.Request
	sum int64
	set *atomic.Int64 // the sum that was set last
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
	arrived := func() { // each body has another
		s.Helper()
		list := s.api.Requests()
		if got, want := list[len(list)-1].Trailer.Get("X-Sum"), fmt.Sprint(set.Load()); got != want {
			s.Errorf("the trailer that arrived is %q, want %q", got, want)
		}
	}
	s.want(put(), "v1")
	arrived()
	// The refusal comes when the body is read, so that the first attempt is done with the
	// trailers when the second begins.
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
			s.Errorf("status %d, and %d orders applied", resp.StatusCode, n)
		}
		return resp.StatusCode
	}
	if status := post(true); status != http.StatusOK {
		s.Fatalf("status %d", status)
	}
	s.sourceMoves()
	with := post(true)
	s.rotate(s.api.Issue(mockapi.Spec{Inactive: true}))
	without := post(false)
	for _, a := range s.api.Requests() {
		// A server of HTTP/2 keeps the header to itself.
		if s.protocol == HTTP1 && a.Path == "/orders" && a.Header.Get("Expect") != "100-continue" {
			s.Errorf("an attempt has Expect %q", a.Header.Get("Expect"))
		}
	}
	// The server asked for no byte of it, so that it can go to the second attempt.
	if without != with {
		s.Errorf("status %d where the body can be had once, %d where it can be had again", without, with)
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
	longAnswerOf(s)
	again := newTransportTrial(s.TB, s.h, s.protocol)
	again.sourceMoves()
	longAnswerOf(again) // to a second attempt, too
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
	got, err := io.ReadAll(resp.Body)
	if resp.StatusCode == http.StatusOK && (err != nil || !bytes.Equal(got, long)) {
		s.Errorf("%d bytes of %d, or not those that were sent: %v", len(got), len(long), err)
	}
}
