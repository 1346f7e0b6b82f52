package transport_test

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/rollingkeys/rollingkeys/transport"
)

// Two versions are refused at the same time, and the source has a third. No request
// gets the version again that was just refused for it.
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
		rt := unbound(keys, transport.Bearer(), transport.WithBase(srv.base(t)))
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
				s.set = listed("v3", "v2", "v1") // for the next reading
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
