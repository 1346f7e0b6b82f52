package exchange_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/source"
)

// store is a source whose keys change without notification.
type store struct {
	mu   sync.Mutex
	keys keys
}

func (s *store) Read(ctx context.Context) (source.Set, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys.Read(ctx)
}

func (s *store) put(k ...source.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = k
}

// binance returns a trader on Binance with that key, and its source.
func binance(t *testing.T, spec mockapi.Spec) (*trader, *store) {
	e := newExchange(t, "binance")
	api := mockapi.New(t, append(e.Options(), mockapi.WithMemory())...)
	s := &store{keys: keys{api.Issue(spec)}}
	return newTrader(t, e, api, s, profiles["binance"](), nil), s
}

// The exchange and the source have the new key, without overlap, but the ring has
// not read it yet. Binance's -2015 is an ambiguous refusal, yet it makes the ring
// read the source. Every order is accepted without waiting. F61, F65
func TestBinanceServerFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, src := binance(t, mockapi.Spec{})
		for round := range 5 {
			var wg sync.WaitGroup
			for w := range 8 {
				wg.Go(func() {
					for i := range 50 {
						if err := b.place(t.Context(), b.OrderID(1000*round+100*w+i)); err != nil {
							t.Error(err)
						}
						time.Sleep(50 * time.Millisecond)
					}
				})
			}
			time.Sleep(time.Second)
			src.put(b.api.Rotate(0))
			wg.Wait()
			time.Sleep(time.Minute)
		}
		if n := len(b.Orders()); n != 5*8*50 {
			t.Errorf("%d orders", n)
		}
	})
}

// A bot sends a request without permission every five seconds, which Binance
// answers like a bad key. A rotation works nevertheless: while the exchange does
// not know the new key yet, no order fails. F60, F65
func TestBinanceDoubtsBeforeARotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spec := mockapi.Spec{Scopes: []string{"trade"}}
		b, src := binance(t, spec)
		old := src.keys[0]
		trade := func(seconds int) {
			for i := range 2 * seconds {
				if i%10 == 0 {
					req, err := b.Read(t.Context(), b.api.URL())
					if err != nil {
						t.Fatal(err)
					}
					if status, _, err := b.send(req); status != 401 || err != nil {
						t.Errorf("read without permission: %d, %v", status, err)
					}
				}
				if err := b.place(t.Context(), b.OrderID(i)); err != nil {
					t.Errorf("order %d: %v", i, err)
				}
				time.Sleep(500 * time.Millisecond)
			}
		}
		trade(300)
		spec.Inactive = true
		next := b.api.Issue(spec)
		src.put(next, old)
		if err := b.ring.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		trade(120)
		if v := b.ring.Version(); v != old.Version {
			t.Errorf("in use: %s", v)
		}
		if err := b.api.Activate(next.Version); err != nil {
			t.Fatal(err)
		}
		trade(120)
		if v := b.ring.Version(); v != next.Version {
			t.Errorf("in use: %s", v)
		}
	})
}
