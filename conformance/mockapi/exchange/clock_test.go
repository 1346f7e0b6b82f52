package exchange_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/conformance/mockapi/exchange"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

// goesByTime lists the exchanges that take a timestamp. Deribit and Coinbase CDP do not
// say that they refused it: the Date of their answers does. F164, F165
var goesByTime = []string{"binance", "coinbaseexchange", "okx", "bybit", "kucoin", "bitmex", "gate", "bitvavo", "deribit", "coinbasecdp"}

// inUse fails the test unless the newest key is in use and was not refused.
func inUse(t *testing.T, b *trader, version string) {
	t.Helper()
	s := b.ring.Status()
	if s.InUse != version || s.Current.State == ring.StateRefused || !s.Healthy {
		t.Errorf("in use %s, current %s is %s", s.InUse, s.Current.Version, s.Current.State)
	}
}

// Refusals because the client's clock is ten minutes off never count against the
// key, and never make a request fall back to the previous key. F65
func TestWrongClockIsNoBadKey(t *testing.T) {
	for _, name := range goesByTime {
		for _, skew := range []time.Duration{10 * time.Minute, -10 * time.Minute} {
			if name == "bitmex" && skew < 0 {
				continue // accepts any time ahead of its own
			}
			t.Run(name+skew.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					e := newExchange(t, name, exchange.WithSkew(skew), exchange.WithLockout(3, time.Hour, time.Hour))
					api := mockapi.New(t, append(e.Options(), mockapi.WithMemory())...)
					k1, k2 := api.Issue(mockapi.Spec{}), api.Issue(mockapi.Spec{})
					b := newTrader(t, e, api, keys{k2, k1}, profiles[name](), nil)
					for i := range 10 {
						if err := b.place(t.Context(), e.OrderID(i)); err == nil {
							t.Error("taken")
						}
						time.Sleep(time.Second)
					}
					inUse(t, b, k2.Version)
					if _, n := api.Count(k1.Version); n != 0 || len(api.Requests()) != 10 {
						t.Errorf("%d attempts, %d with the previous key", len(api.Requests()), n)
					}
				})
			})
		}
	}
}

// Each exchange accepts timestamps within its documented window, to the second.
func TestWindows(t *testing.T) {
	for name, w := range map[string]struct{ late, early time.Duration }{
		"binance": {5 * time.Second, 999 * time.Millisecond}, "bybit": {5 * time.Second, 999 * time.Millisecond},
		"kucoin": {5 * time.Second, 5 * time.Second}, "bitvavo": {10 * time.Second, 10 * time.Second},
		"coinbaseexchange": {30 * time.Second, 30 * time.Second}, "okx": {30 * time.Second, 30 * time.Second},
		"deribit": {time.Minute, time.Minute}, "gate": {time.Minute, time.Minute},
		"coinbasecdp": {59 * time.Second, time.Minute},
		"bitmex":      {29 * time.Second, 0}, // accepts any time ahead of its own
	} {
		for skew, want := range map[time.Duration]bool{
			w.late: true, w.late + time.Second: false, -w.early: true, -w.early - time.Second: w.early == 0,
		} {
			t.Run(name+skew.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					e := newExchange(t, name, exchange.WithSkew(skew))
					api := mockapi.New(t, append(e.Options(), mockapi.WithMemory())...)
					b := newTrader(t, e, api, keys{api.Issue(mockapi.Spec{})}, profiles[name](), nil)
					if err := b.place(t.Context(), e.OrderID(1)); (err == nil) != want {
						t.Errorf("taken %v: %v", err == nil, err)
					}
				})
			})
		}
	}
}

// With LearnClock the scheme learns the exchange's clock from the first refusal.
// Every order is accepted once, and later requests need one attempt. F49, F65
func TestLearnedClock(t *testing.T) {
	for _, name := range goesByTime {
		for _, skew := range []time.Duration{10 * time.Minute, -10 * time.Minute} {
			t.Run(name+skew.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					e := newExchange(t, name, exchange.WithSkew(skew))
					api := mockapi.New(t, append(e.Options(), mockapi.WithMemory())...)
					key := api.Issue(mockapi.Spec{})
					b := newTrader(t, e, api, keys{key}, profiles[name](provider.LearnClock()), nil)
					for i := range 10 {
						if err := b.place(t.Context(), e.OrderID(i)); err != nil {
							t.Errorf("order %d: %v", i, err)
						}
						time.Sleep(time.Second)
					}
					inUse(t, b, key.Version)
					want := 11
					if name == "bitmex" && skew < 0 {
						want = 10 // accepts any time ahead of its own
					}
					if n := len(api.Requests()); n != want || len(e.Orders()) != 10 {
						t.Errorf("%d attempts, want %d; %d orders", n, want, len(e.Orders()))
					}
				})
			})
		}
	}
}

// If another client has used the key with nonces ten minutes ahead, requests are
// refused because of the nonce, which does not count against the key. With
// LearnClock, and if the exchange's clock is ahead too, orders are accepted. F49, F65
func TestLearnedNonce(t *testing.T) {
	units := map[string]time.Duration{"kraken": time.Millisecond, "gemini": time.Millisecond, "bitfinex": time.Microsecond}
	for _, name := range goesByNonce {
		for _, learn := range []bool{false, true} {
			t.Run(name+"/"+strconv.FormatBool(learn), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var opts []provider.Option
					if learn {
						opts = append(opts, provider.LearnClock())
					}
					seen := time.Duration(time.Now().Add(10*time.Minute).UnixNano()) / units[name]
					e := newExchange(t, name, exchange.WithSkew(11*time.Minute), exchange.WithNoncesFrom(uint64(seen)),
						exchange.WithLockout(3, time.Hour, time.Hour))
					api := mockapi.New(t, append(e.Options(), mockapi.WithMemory())...)
					k1, k2 := api.Issue(mockapi.Spec{}), api.Issue(mockapi.Spec{})
					b := newTrader(t, e, api, keys{k2, k1}, profiles[name](opts...), nil)
					for i := range 5 {
						if err := b.place(t.Context(), e.OrderID(i)); (err == nil) != learn {
							t.Errorf("order %d: %v", i, err)
						}
					}
					inUse(t, b, k2.Version)
					want := 5
					if learn {
						want = 6
					}
					if n := len(api.Requests()); n != want {
						t.Errorf("%d attempts, want %d", n, want)
					}
				})
			})
		}
	}
}

// An exchange with nonces refuses a request that is sent again unchanged. F49
func TestReplayedNoncesAreRefused(t *testing.T) {
	for _, name := range append([]string{"deribit"}, goesByNonce...) {
		t.Run(name, func(t *testing.T) {
			e := newExchange(t, name)
			api := mockapi.New(t, e.Options()...)
			var signed *http.Request
			var body []byte
			b := newTrader(t, e, api, keys{api.Issue(mockapi.Spec{})}, profiles[name](), rewrite{api.Client().Transport, func(r *http.Request) {
				if r.Body != nil {
					body, _ = io.ReadAll(r.Body)
					r.Body = io.NopCloser(strings.NewReader(string(body)))
				}
				signed = r.Clone(t.Context())
			}})
			if err := b.place(t.Context(), e.OrderID(1)); err != nil {
				t.Fatal(err)
			}
			signed.Body = io.NopCloser(strings.NewReader(string(body)))
			resp, err := api.Client().Do(signed)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if text, err := io.ReadAll(resp.Body); err != nil || e.Confirmed(resp.StatusCode, text, e.OrderID(1)) {
				t.Errorf("%d %s, %v", resp.StatusCode, text, err)
			}
			if n := len(e.Orders()); n != 1 {
				t.Errorf("%d orders", n)
			}
		})
	}
}

// If the clocks agree, a key that another client used with larger nonces is not tried twice
// by each request, and a Warning says once what to set. With it, orders are accepted. F165
func TestLargerNonces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := uint64(time.Now().UnixMicro())
		e := newExchange(t, "kraken", exchange.WithNoncesFrom(seen), exchange.WithLockout(3, time.Hour, time.Hour))
		api := mockapi.New(t, append(e.Options(), mockapi.WithMemory())...)
		key := api.Issue(mockapi.Spec{})
		b := newTrader(t, e, api, keys{key}, provider.Kraken(provider.LearnClock()), nil)
		var mu sync.Mutex
		var warnings []string
		stop := b.ring.Subscribe(func(e ring.Event) {
			if e.Kind == ring.Warning {
				mu.Lock()
				defer mu.Unlock()
				warnings = append(warnings, e.Err.Error())
			}
		})
		defer stop()
		for i := range 10 {
			if err := b.place(t.Context(), e.OrderID(i)); err == nil {
				t.Errorf("order %d was accepted", i)
			}
			time.Sleep(777 * time.Millisecond)
		}
		synctest.Wait()
		mu.Lock()
		if n := len(api.Requests()); n != 10 || len(warnings) != 1 || !strings.Contains(warnings[0], "provider.NonceUnit") {
			t.Errorf("%d attempts, warnings %q", n, warnings)
		}
		mu.Unlock()
		inUse(t, b, key.Version)
		other := newTrader(t, e, api, keys{key}, provider.Kraken(provider.LearnClock(), provider.NonceUnit(time.Microsecond)), nil)
		if err := other.place(t.Context(), e.OrderID(99)); err != nil {
			t.Error(err)
		}
	})
}

// A clock that is fast by 1.5 s, or by up to a minute, and an Ed25519 key in PEM: Coinbase
// takes every order. F164
func TestCoinbaseClockAndKeys(t *testing.T) {
	for _, skew := range []time.Duration{-1500 * time.Millisecond, -50 * time.Second, 50 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			_, private, err := ed25519.GenerateKey(rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			der, err := x509.MarshalPKCS8PrivateKey(private)
			if err != nil {
				t.Fatal(err)
			}
			e := newExchange(t, "coinbasecdp", exchange.WithKind(exchange.Ed25519), exchange.WithSkew(skew))
			api := mockapi.New(t, append(e.Options(), mockapi.WithMemory())...)
			key := api.Issue(mockapi.Spec{ID: "organizations/o/apiKeys/" + rand.Text(), Secret: string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))})
			b := newTrader(t, e, api, keys{key}, provider.CoinbaseCDP(), nil)
			for i := range 10 {
				if err := b.place(t.Context(), e.OrderID(i)); err != nil {
					t.Errorf("%v, order %d: %v", skew, i, err)
				}
			}
		})
	}
}
