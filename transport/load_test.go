package transport_test

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/rollingkeys/rollingkeys/transport"
)

// pace lets keys rotate under load, but so that each request meets at most one change:
// a step ends when the requests that began before it are done.
type pace struct {
	mu    sync.Mutex
	step  int
	out   map[int]int // requests by the step they began in
	done  int         // in this step
	moved *sync.Cond
}

func newPace() *pace {
	p := &pace{out: map[int]int{}}
	p.moved = sync.NewCond(&p.mu)
	return p
}

func (p *pace) begin() (step int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.out[p.step]++
	return p.step
}

func (p *pace) end(step int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.out[step]--
	p.done++
	p.moved.Broadcast()
}

// next waits for n requests, and for all requests that began before this step.
func (p *pace) next(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.done < n || p.older() {
		p.moved.Wait()
	}
	p.step++
	p.done = 0
}

func (p *pace) older() bool {
	for step, n := range p.out {
		if n == 0 {
			delete(p.out, step)
		} else if step < p.step {
			return true
		}
	}
	return false
}

// payload makes the body of request n, with its own length and content.
func payload(n int) string {
	h := fnv.New64a()
	_ = binary.Write(h, binary.LittleEndian, uint64(n))
	return strings.Repeat(fmt.Sprintf("%d:%x;", n, h.Sum64()), n%97+1)
}

// 10,000 requests, GET and POST, run through 100 rotations. The source is first, or the
// server is first, or the server is first and revokes the old key. No request fails,
// every POST is applied once with its whole body, and the reported version and number
// of attempts match the server's record.
//
// F50, F60, F61, F67, F74
func TestManyRequestsThroughManyRotations(t *testing.T) {
	const workers = 16
	protocols(t, func(t *testing.T, p protocol) {
		requests, rotations := 10_000, 100
		if p == 2 {
			requests, rotations = 3_000, 30 // -race makes it slow
		}
		g := newGate("v0")
		var mu sync.Mutex
		orders := map[string]int{}
		g.serve = func(w http.ResponseWriter, r *http.Request) {
			data, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			if r.Method == http.MethodPost {
				mu.Lock()
				orders[r.Header.Get("Request-Id")]++
				mu.Unlock()
			}
			_, _ = w.Write(data)
		}
		refused := make(chan struct{}, 1)
		g.refuse = func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusUnauthorized)
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
		client := &http.Client{Transport: unbound(ring, transport.Bearer(), transport.WithBase(base))}

		type report struct {
			version  string
			attempts int
		}
		reports := map[string]report{}
		work := func(id string, n int) error {
			method, body := http.MethodGet, ""
			if n%2 == 1 {
				method, body = http.MethodPost, payload(n)
			}
			ctx, seen := transport.Observe(t.Context())
			req, err := http.NewRequestWithContext(ctx, method, srv.URL, strings.NewReader(body))
			if err != nil {
				return err
			}
			req.Header.Set("Request-Id", id)
			resp, err := client.Do(req)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			got, err := io.ReadAll(resp.Body)
			switch {
			case err != nil:
				return err
			case resp.StatusCode != http.StatusOK:
				return fmt.Errorf("status %d after %d attempts, the last with %s", resp.StatusCode, seen.Attempts(), seen.Version())
			case string(got) != body:
				return fmt.Errorf("body of %d bytes, want %d", len(got), len(body))
			}
			mu.Lock()
			defer mu.Unlock()
			reports[id] = report{seen.Version(), seen.Attempts()}
			return nil
		}
		pace := newPace()
		var count atomic.Int64
		var rotated atomic.Bool
		var wg sync.WaitGroup
		for range workers {
			wg.Go(func() {
				for !t.Failed() || !rotated.Load() {
					n := int(count.Add(1))
					if n > requests && rotated.Load() {
						return
					}
					step := pace.begin()
					if err := work(fmt.Sprint(n), n); err != nil {
						t.Errorf("request %d: %v", n, err)
					}
					pace.end(step)
				}
			})
		}
		for i := range rotations {
			older, old, current := fmt.Sprintf("v%d", i-1), fmt.Sprintf("v%d", i), fmt.Sprintf("v%d", i+1)
			pace.next(requests / rotations / 3)
			switch i % 3 {
			case 0: // the source first
				move(t, ring, s, current, old, older)
				pace.next(requests / rotations / 3)
				g.accept(current, old)
			case 1: // the server first
				g.accept(current, old, older)
				pace.next(requests / rotations / 3)
				move(t, ring, s, current, old, older)
			case 2: // the server first, which revokes the old key at once
				select {
				case <-refused: // of an earlier rotation
				default:
				}
				g.accept(current)
				<-refused
				s.put(current, old, older)
			}
		}
		rotated.Store(true)
		wg.Wait()

		if len(reports) < requests {
			t.Errorf("%d requests succeeded, want %d", len(reports), requests)
		}
		recorded := map[string]report{}
		moved := 0
		for _, r := range g.records() {
			recorded[r.request] = report{r.version, recorded[r.request].attempts + 1}
			if !r.accepted {
				moved++
			}
		}
		if !maps.Equal(reports, recorded) {
			t.Error("what was reported is not what the server recorded")
		}
		for id, n := range orders {
			if n != 1 {
				t.Errorf("order %s was placed %d times", id, n)
			}
		}
		if posts := (int(count.Load()) - workers) / 2; len(orders) < requests/2 || len(orders) > posts+1 {
			t.Errorf("%d orders", len(orders))
		}
		if moved < rotations/3 {
			t.Errorf("%d refusals: the rotations did not hurt", moved)
		}
		if v := ring.Status().Current.Version; v != fmt.Sprintf("v%d", rotations) {
			t.Errorf("%s is current at the end", v)
		}
	})
}

// 1,000 goroutines send requests while the key changes all the time. The id and secret
// are always of one version, the reported one, and no request fails.
//
// F26, F50, F74
func TestManyGoroutinesSeeNoTornKey(t *testing.T) {
	const goroutines, requests, rotations = 1000, 3, 100
	protocols(t, func(t *testing.T, p protocol) {
		srv := p.serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			id, secret, _ := r.BasicAuth()
			version, ok := strings.CutPrefix(secret, sentinel)
			if !ok || id != "id-"+version {
				t.Errorf("a torn key: the id %q with another version's secret", id)
			}
			w.Header().Set("Served-Version", version)
		}))
		s := newStore("v0")
		ring := keep(t, s)
		base := srv.base(t)
		base.MaxConnsPerHost = 32
		base.MaxIdleConnsPerHost = 32
		rt := unbound(ring, transport.Basic(), transport.WithBase(base))
		served := make(chan struct{}, goroutines*requests)
		var wg sync.WaitGroup
		for range goroutines {
			wg.Go(func() {
				for range requests {
					a, err := try(rt, get(t, srv.URL))
					if err != nil {
						t.Error(err)
						return
					}
					if v := a.Header.Get("Served-Version"); a.StatusCode != http.StatusOK || v != a.seen.Version() || a.seen.Attempts() != 1 {
						t.Errorf("status %d, reported %s, served %s", a.StatusCode, a.seen.Version(), v)
					}
					served <- struct{}{}
				}
			})
		}
		for i := range rotations {
			for range goroutines * requests / rotations / 2 {
				<-served
			}
			move(t, ring, s, fmt.Sprintf("v%d", i+1), fmt.Sprintf("v%d", i))
		}
		wg.Wait()
	})
}
