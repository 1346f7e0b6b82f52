package transport_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
)

// Within one run, benchstat -col /rt sets our RoundTripper beside the others.

// stub answers without allocating.
type stub struct{ resp *http.Response }

func (s stub) RoundTrip(*http.Request) (*http.Response, error) { return s.resp, nil }

var okResponse = &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Header: http.Header{}}

// apart answers the requests of each goroutine with a response of its own. Otherwise
// two cores would write to one response, and the benchmark would measure that. The
// number of the goroutine is in ProtoMinor, which a client's request does not use.
type apart [8]struct {
	resp http.Response
	_    [64]byte
}

func newApart() *apart {
	a := &apart{}
	for i := range a {
		a[i].resp = *okResponse
	}
	return a
}

func (a *apart) RoundTrip(req *http.Request) (*http.Response, error) {
	return &a[req.ProtoMinor%len(a)].resp, nil
}

// limit is the least work that attaches a key within the RoundTripper contract: a copy
// of the request's struct, a copy of its header map, and an assignment of a value that
// was made before. It shares the caller's value slices, since it changes none. limit
// looks neither for the caller's own credential nor at the origin or the answer, and it
// counts nothing.
//
// maps.Clone copies groups of entries. If they are full, adding an entry makes the copy
// grow; then a map that is made with enough room is cheaper.
type limit struct {
	base  http.RoundTripper
	value []string
}

func (l limit) RoundTrip(req *http.Request) (*http.Response, error) {
	out := new(http.Request)
	*out = *req
	switch len(req.Header) {
	case 0:
		out.Header = make(http.Header, 1)
	case 8, 14, 28, 56, 112:
		out.Header = make(http.Header, len(req.Header)+1)
		maps.Copy(out.Header, req.Header)
	default:
		out.Header = maps.Clone(req.Header)
	}
	out.Header["Authorization"] = l.value
	return l.base.RoundTrip(out)
}

func benchRequest(headers int) *http.Request {
	req, _ := http.NewRequest(http.MethodGet, "https://api.example.com/v1/things", nil)
	for i := range headers {
		req.Header.Set(fmt.Sprintf("X-Header-%d", i), "value")
	}
	return req
}

// candidate is one RoundTripper that attaches a key.
type candidate struct {
	name string
	rt   http.RoundTripper
}

// candidates are the RoundTrippers to compare: the limit, the project's transport, and
// x/oauth2's.
func candidates(keys *ring.Ring, base http.RoundTripper) []candidate {
	return []candidate{
		{"limit", limit{base, []string{"Bearer " + sentinel + "v1"}}},
		{"rollingkeys", unbound(keys, transport.Bearer(), transport.WithBase(base))},
		{"oauth2", &oauth2.Transport{Base: base, Source: oauth2.StaticTokenSource(&oauth2.Token{AccessToken: sentinel + "v1"})}},
	}
}

func benchSend(b *testing.B, rt http.RoundTripper, req *http.Request) {
	resp, err := rt.RoundTrip(req)
	if err != nil {
		b.Fatal(err)
	}
	if resp.Body != http.NoBody {
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
}

// BenchmarkAttach measures putting a header key on a request.
func BenchmarkAttach(b *testing.B) {
	keys := keep(b, source.Static(key("v1")))
	for _, headers := range []int{0, 5, 15} {
		req := benchRequest(headers)
		for _, c := range candidates(keys, stub{okResponse}) {
			b.Run(fmt.Sprintf("headers=%d/rt=%s", headers, c.name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					benchSend(b, c.rt, req)
				}
			})
		}
	}
}

// BenchmarkParallel is BenchmarkAttach on all cores at once.
func BenchmarkParallel(b *testing.B) {
	for _, c := range candidates(keep(b, source.Static(key("v1"))), newApart()) {
		b.Run("rt="+c.name, func(b *testing.B) { benchParallel(b, c.rt) })
	}
}

// BenchmarkParallelSwitching is BenchmarkParallel while the key changes every
// millisecond. The other candidates cannot change keys, so a ring that switches runs
// beside them.
func BenchmarkParallelSwitching(b *testing.B) {
	s := newStore("v1")
	keys := keep(b, s)
	ctx, cancel := context.WithCancel(context.Background())
	var switching sync.WaitGroup
	switching.Go(func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for i := 2; ; i++ {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			s.mu.Lock()
			s.set = listed(fmt.Sprintf("v%d", i), fmt.Sprintf("v%d", i-1))
			s.mu.Unlock()
			_ = keys.Refresh(ctx)
		}
	})
	defer switching.Wait()
	defer cancel()
	for _, c := range candidates(keys, newApart()) {
		b.Run("rt="+c.name, func(b *testing.B) { benchParallel(b, c.rt) })
	}
}

func benchParallel(b *testing.B, rt http.RoundTripper) {
	b.ReportAllocs()
	var goroutines atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		req := benchRequest(5)
		req.ProtoMinor = int(goroutines.Add(1))
		for pb.Next() {
			benchSend(b, rt, req)
		}
	})
}

// stutter refuses every other request. Its answers to the requests between say nothing
// about the key.
type stutter struct {
	refusal, other *http.Response
	n              int
}

func (s *stutter) RoundTrip(*http.Request) (*http.Response, error) {
	s.n++
	if s.n%2 == 1 {
		return s.refusal, nil
	}
	return s.other, nil
}

func newStutter() *stutter {
	return &stutter{
		refusal: &http.Response{StatusCode: http.StatusUnauthorized, Body: http.NoBody, Header: http.Header{}},
		other:   &http.Response{StatusCode: http.StatusServiceUnavailable, Body: http.NoBody, Header: http.Header{}},
	}
}

// BenchmarkFallback measures a request that is refused with the current key and sent
// again with the previous one, compared with two sends that only attach a key. The
// requests and answers have no body. The second answer is a 503: after a success the
// ring would use the previous key at first, and no other request would fall back.
func BenchmarkFallback(b *testing.B) {
	req := benchRequest(5)
	b.Run("rt=limit", func(b *testing.B) { // twice
		var bare http.RoundTripper = limit{newStutter(), []string{"Bearer " + sentinel + "v1"}}
		b.ReportAllocs()
		for b.Loop() {
			benchSend(b, bare, req)
			benchSend(b, bare, req)
		}
	})
	b.Run("rt=rollingkeys", func(b *testing.B) {
		keys := keep(b, newStore("v2", "v1"))
		rt := unbound(keys, transport.Bearer(), transport.WithBase(newStutter()))
		b.ReportAllocs()
		n := 0
		for b.Loop() {
			benchSend(b, rt, req)
			n++
		}
		if sent := keys.Status().Versions[1].Requests; sent != uint64(n) {
			b.Fatalf("%d of %d requests fell back", sent, n)
		}
	})
}

// BenchmarkVersion measures reading the version in use, compared with an empty call.
func BenchmarkVersion(b *testing.B) {
	keys := keep(b, source.Static(key("v1")))
	b.Run("read=nothing", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
		}
	})
	b.Run("read=rollingkeys", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if keys.Version() == "" {
				b.Fatal("no version")
			}
		}
	})
}

// BenchmarkLoopback measures a whole request over a kept connection.
func BenchmarkLoopback(b *testing.B) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
	defer srv.Close()
	base := &http.Transport{}
	defer base.CloseIdleConnections()
	req, err := http.NewRequest(http.MethodGet, srv.URL, nil)
	if err != nil {
		b.Fatal(err)
	}
	keys := keep(b, source.Static(key("v1")))
	for _, c := range append([]candidate{{"bare", base}}, candidates(keys, base)...) {
		b.Run("rt="+c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				benchSend(b, c.rt, req)
			}
		})
	}
}
