package transport_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/rollingkeys/rollingkeys/transport"
)

// Unapplied changes only one verdict. F120
func TestUnappliedTakesRefusalsForUnapplied(t *testing.T) {
	for v, want := range map[transport.Verdict]transport.Verdict{
		transport.Refused: transport.RefusedUnapplied, transport.RefusedUnapplied: transport.RefusedUnapplied,
		transport.Passed: transport.Passed, transport.Ambiguous: transport.Ambiguous, transport.Inconclusive: transport.Inconclusive, transport.ClockSkew: transport.ClockSkew,
	} {
		c := transport.Unapplied(func(*transport.Answer) transport.Verdict { return v })
		if got := c(transport.NewAnswer(403, nil, nil)); got != want {
			t.Errorf("%d becomes %d, want %d", v, got, want)
		}
	}
	scope := http.Header{"Www-Authenticate": {`Bearer error="insufficient_scope"`}}
	for _, a := range []struct {
		c      transport.Classifier
		status int
		header http.Header
		want   transport.Verdict
	}{
		{nil, 401, nil, transport.RefusedUnapplied}, {nil, 403, nil, transport.Passed}, {nil, 200, nil, transport.Passed},
		{transport.Statuses(403), 403, nil, transport.RefusedUnapplied}, {transport.Statuses(403), 403, scope, transport.Passed},
	} {
		if got := transport.Unapplied(a.c)(transport.NewAnswer(a.status, a.header, nil)); got != a.want {
			t.Errorf("%d %v: verdict %d, want %d", a.status, a.header, got, a.want)
		}
	}
}

// A gateway answers 403 to a bad key. With the classifier Unapplied no POST fails while
// keys rotate, and each is carried out once. With Statuses(403) alone, a POST that
// meets a rotation gets the 403. F67, F120
func TestPostsThroughRotationsRefusedWith403(t *testing.T) {
	for name, c := range map[string]struct {
		classifier transport.Classifier
		fail       bool
	}{
		"unapplied": {transport.Unapplied(transport.Statuses(403)), false},
		"statuses":  {transport.Statuses(403), true},
	} {
		t.Run(name, func(t *testing.T) {
			protocols(t, func(t *testing.T, p protocol) {
				const workers, rotations, each = 8, 30, 20
				g := newGate("v0")
				var mu sync.Mutex
				orders := map[string]int{}
				g.serve = func(_ http.ResponseWriter, r *http.Request) {
					mu.Lock()
					defer mu.Unlock()
					orders[r.Header.Get("Request-Id")]++
				}
				refused := make(chan struct{}, 1)
				g.refuse = func(w http.ResponseWriter, _ *http.Request) {
					w.WriteHeader(http.StatusForbidden)
					select {
					case refused <- struct{}{}:
					default:
					}
				}
				srv := p.serve(t, g)
				s := newStore("v0")
				ring := keep(t, s)
				base := srv.base(t)
				base.MaxIdleConnsPerHost = workers
				rt := unbound(ring, transport.Bearer(), transport.WithBase(base), transport.WithClassifier(c.classifier))
				pace := newPace()
				var sent, failed atomic.Int64
				var over atomic.Bool
				var wg sync.WaitGroup
				for range workers {
					wg.Go(func() {
						for !over.Load() {
							step := pace.begin()
							req := request(t, http.MethodPost, srv.URL, strings.NewReader("order"))
							req.Header.Set("Request-Id", fmt.Sprint(sent.Add(1)))
							switch a, err := try(rt, req); {
							case err != nil:
								t.Error(err)
							case a.StatusCode == http.StatusForbidden:
								failed.Add(1)
							case a.StatusCode != http.StatusOK:
								t.Errorf("status %d", a.StatusCode)
							}
							pace.end(step)
						}
					})
				}
				for i := range rotations {
					old, current := fmt.Sprintf("v%d", i), fmt.Sprintf("v%d", i+1)
					pace.next(each)
					if i%2 == 0 { // the source first
						move(t, ring, s, current, old)
						pace.next(each)
						g.accept(current)
						continue
					}
					select {
					case <-refused: // of an earlier rotation
					default:
					}
					g.accept(current) // the server first, which revokes the old key at once
					<-refused
					s.put(current, old)
				}
				pace.next(each)
				over.Store(true)
				wg.Wait()
				mu.Lock()
				defer mu.Unlock()
				for id, n := range orders {
					if n != 1 {
						t.Errorf("order %s was carried out %d times", id, n)
					}
				}
				if got := sent.Load() - failed.Load(); got != int64(len(orders)) {
					t.Errorf("%d orders of %d answered with success", len(orders), got)
				}
				if got := failed.Load(); (got > 0) != c.fail {
					t.Errorf("%d of %d POSTs failed", got, sent.Load())
				}
				t.Logf("%d of %d POSTs failed", failed.Load(), sent.Load())
			})
		})
	}
}
