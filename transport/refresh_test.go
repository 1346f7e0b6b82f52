package transport_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
)

// Every key is refused: the server's answer goes back, and 1,000 requests are
// hardly more attempts.
//
// F58, F70
func TestRejectAllIsOneAttemptEach(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		g := newGate()
		srv := p.serve(t, g)
		s := newStore("v2", "v1")
		keys := keep(t, s, ring.WithRefusalWait(0))
		rt := transport.New(keys, transport.Bearer(), transport.WithBase(srv.base(t)))
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				for range 100 {
					a, err := try(rt, get(t, srv.URL))
					if err != nil || a.StatusCode != http.StatusUnauthorized || a.body != "refused" {
						t.Errorf("answer %q, error %v", a.body, err)
						return
					}
				}
			})
		}
		wg.Wait()
		// The first of each goroutine, and one probe for each hold-off.
		if n := len(g.records()); n > 1000+50 {
			t.Errorf("%d attempts for 1000 requests", n)
		}
		if n := s.count(); n > 20 {
			t.Errorf("%d readings of the source", n)
		}
	})
}

// The server moved before the source did, with no overlap: requests in flight
// wait for one shared reading and go on with what the source then has; nobody
// who gives up takes the others with him.
//
// F61, F62
func TestServerMovedFirst(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		const n = 100
		g := newGate("v2")
		srv := p.serve(t, g)
		s := newStore("v1")
		keys := keep(t, s, ring.WithRefusalWait(30*time.Second))
		rt := transport.New(keys, transport.Bearer(), transport.WithBase(srv.base(t)))
		hang := make(chan struct{})
		s.mu.Lock()
		before := s.reads
		s.hang = hang
		s.mu.Unlock()

		leader, giveUp := context.WithCancel(t.Context())
		leads := make(chan error, 1)
		go func() {
			_, err := try(rt, get(t, srv.URL).WithContext(leader))
			leads <- err
		}()
		eventually(t, "the leader's reading", func() bool { return s.count() == before+1 })
		var wg sync.WaitGroup
		for range n - 1 {
			wg.Go(func() {
				a, err := try(rt, get(t, srv.URL))
				if err != nil {
					t.Error(err)
					return
				}
				a.want(t, http.StatusOK, "v2", 2)
			})
		}
		eventually(t, "all to be refused", func() bool { return len(g.records()) == n })
		giveUp()
		if err := <-leads; !errors.Is(err, context.Canceled) {
			t.Errorf("the leader: %v", err)
		}
		s.mu.Lock()
		s.set, s.hang = listed("v2"), nil
		s.mu.Unlock()
		close(hang)
		wg.Wait()
		if got := s.count() - before; got != 1 {
			t.Errorf("%d readings for %d refused requests", got, n)
		}
		send(t, rt, get(t, srv.URL)).want(t, http.StatusOK, "v2", 1)
	})
}

// The source gets the new key a moment after the server: its notification is
// what the waiting requests go on with.
//
// F61
func TestServerMovedFirstAndTheSourceNotifies(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		g := newGate("v2")
		srv := p.serve(t, g)
		s := newStore("v1")
		keys := keep(t, s, ring.WithRefusalWait(30*time.Second))
		rt := transport.New(keys, transport.Bearer(), transport.WithBase(srv.base(t)))
		before := s.count()
		done := make(chan error, 1)
		go func() {
			a, err := try(rt, request(t, http.MethodPost, srv.URL, strings.NewReader("order")))
			if err == nil && a.body != "order" {
				err = fmt.Errorf("status %d, body %q", a.StatusCode, a.body)
			}
			done <- err
		}()
		eventually(t, "a reading in vain", func() bool { return s.count() > before })
		s.put("v2")
		if err := <-done; err != nil {
			t.Error(err)
		}
		g.wantVersions(t, "v1", "v2")
	})
}

// Two versions are refused at once, and the source has a third: nobody gets
// back the version that was just refused for him.
//
// F63
func TestOverlappingRefusalsGetAnotherVersion(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		g := newGate()
		both := make(chan struct{})
		var first atomic.Int64
		g.refuse = func(w http.ResponseWriter, _ *http.Request) {
			if first.Add(1) == 2 {
				close(both)
			}
			<-both
			w.WriteHeader(http.StatusUnauthorized)
		}
		srv := p.serve(t, g)
		s := newStore("v1")
		keys := keep(t, s)
		rt := transport.New(keys, transport.Bearer(), transport.WithBase(srv.base(t)))
		var wg sync.WaitGroup
		for i := range 2 {
			wg.Go(func() {
				req := get(t, srv.URL)
				req.Header.Set("Request-Id", fmt.Sprint(i))
				a, err := try(rt, req)
				if err != nil {
					t.Error(err)
					return
				}
				if a.StatusCode != http.StatusOK || a.seen.Version() != "v3" {
					t.Errorf("request %d: status %d with %q", i, a.StatusCode, a.seen.Version())
				}
			})
			eventually(t, "the request to arrive", func() bool { return len(g.records()) >= i+1 })
			if i == 0 {
				move(t, keys, s, "v2", "v1")
				s.mu.Lock()
				s.set = listed("v3", "v2", "v1") // for whoever reads
				s.mu.Unlock()
				g.accept("v3")
			}
		}
		wg.Wait()
		seen := map[string]bool{}
		for _, r := range g.records() {
			if seen[r.request+r.version] {
				t.Errorf("request %s was sent with %s twice", r.request, r.version)
			}
			seen[r.request+r.version] = true
		}
	})
}
