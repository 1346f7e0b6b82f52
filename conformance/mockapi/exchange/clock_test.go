package exchange_test

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/conformance/mockapi/exchange"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

// goesByTime names the exchanges whose refusals of a request's time are told
// from those of a key. Of deribit they are not documented.
var goesByTime = []string{"binance", "coinbaseexchange", "okx", "bybit", "kucoin", "bitmex", "gate", "bitvavo"}

// inUse fails the test unless the newest key is in use and as good as before.
func inUse(t *testing.T, b *trader, version string) {
	t.Helper()
	s := b.ring.Status()
	if s.InUse != version || s.Current.State == ring.StateRefused || !s.Healthy {
		t.Errorf("in use %s, current %s is %s", s.InUse, s.Current.Version, s.Current.State)
	}
}

// A client whose clock is ten minutes off is refused, again and again, and that
// never counts against its key nor uses up the previous one. F65
func TestWrongClockIsNoBadKey(t *testing.T) {
	for _, name := range append(goesByTime, "deribit") {
		for _, skew := range []time.Duration{10 * time.Minute, -10 * time.Minute} {
			if name == "bitmex" && skew < 0 {
				continue // which takes any time ahead of its own
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

// The windows in which a request's time is taken, to the second.
func TestWindows(t *testing.T) {
	for name, w := range map[string]struct{ late, early time.Duration }{
		"binance": {5 * time.Second, 999 * time.Millisecond}, "bybit": {5 * time.Second, 999 * time.Millisecond},
		"kucoin": {5 * time.Second, 5 * time.Second}, "bitvavo": {10 * time.Second, 10 * time.Second},
		"coinbaseexchange": {30 * time.Second, 30 * time.Second}, "okx": {30 * time.Second, 30 * time.Second},
		"deribit": {time.Minute, time.Minute}, "gate": {time.Minute, time.Minute},
		"bitmex": {29 * time.Second, 0}, // it takes any time ahead of its own
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

// With LearnClock the first refusal teaches the clock, and every order is taken
// once; what comes after it is right at once. F49, F65
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
						want = 10 // it takes any time ahead of its own
					}
					if n := len(api.Requests()); n != want || len(e.Orders()) != 10 {
						t.Errorf("%d attempts, want %d; %d orders", n, want, len(e.Orders()))
					}
				})
			})
		}
	}
}

// A key that another client used with nonces ten minutes ahead is refused for its
// nonce, which does not count against it; with LearnClock, and an exchange whose
// clock is ahead as well, its orders are taken. F49, F65
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

// A request that is sent again as it was is refused where the exchange has nonces. F49
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
