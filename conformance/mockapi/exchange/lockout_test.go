package exchange_test

import (
	"io"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/conformance/mockapi/exchange"
)

// Both keys are refused, and a bot sends ten requests a second. An exchange that
// locks out clients gets only a handful of attempts a minute, whether it locks
// after two bad keys or never. Orders are accepted again soon after it accepts a
// key. F58
func TestNoLockoutWhileAllKeysAreRefused(t *testing.T) {
	const handful, locked = 5, 5 * time.Minute
	for _, name := range []string{"kraken", "bitmex"} { // their profiles set Lockout
		for _, after := range []int{2, 3, 4, handful + 1} {
			t.Run(name+strconv.Itoa(after), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					e := newExchange(t, name, exchange.WithLockout(after, time.Minute, locked))
					api := mockapi.New(t, append(e.Options(), mockapi.WithMemory())...)
					k1, k2 := api.Issue(mockapi.Spec{}), api.Issue(mockapi.Spec{})
					b := newTrader(t, e, api, keys{k2, k1}, profiles[name](), nil)
					if err := b.place(t.Context(), e.OrderID(9999)); err != nil {
						t.Fatal(err)
					}
					for _, k := range []string{k1.Version, k2.Version} {
						if err := api.Deactivate(k); err != nil {
							t.Fatal(err)
						}
					}
					const seconds = 1200
					for i := range seconds * 10 {
						if err := b.place(t.Context(), e.OrderID(i)); err == nil {
							t.Fatal("an order was taken with a dead key")
						}
						time.Sleep(100 * time.Millisecond)
					}
					log := api.Requests()[1:]
					for i, a := range log {
						n := 0
						for _, later := range log[i:] {
							if later.Time.Sub(a.Time) < time.Minute {
								n++
							}
						}
						if n > handful {
							t.Fatalf("%d attempts within a minute, %d in all", n, len(log))
						}
					}
					if len(log) < seconds/90 {
						t.Errorf("only %d attempts: nobody would notice that a key is good again", len(log))
					}
					if err := api.Activate(k2.Version); err != nil {
						t.Fatal(err)
					}
					begin := time.Now()
					for i := 0; b.place(t.Context(), e.OrderID(i)) != nil; i++ {
						if time.Since(begin) > locked+70*time.Second {
							t.Fatal("a minute after the last lockout, no order was taken yet")
						}
						time.Sleep(time.Second)
					}
				})
			})
		}
	}
}

// The new key is refused, and the exchange is too busy to accept the previous key. A
// bot with ten requests a second sends no more bad keys than at other times, and no
// order waits for longer than the exchange is busy. F58, F60
func TestNoLockoutWhileTheExchangeIsBusy(t *testing.T) {
	const handful = 5
	for name, busy := range map[string]string{"kraken": `{"error":["EService:Busy"]}`, "bitmex": `{"error":{"message":"overloaded"}}`} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newExchange(t, name, exchange.WithLockout(handful+1, time.Minute, 15*time.Minute))
				api := mockapi.New(t, append(e.Options(), mockapi.WithMemory())...)
				k1, k2 := api.Issue(mockapi.Spec{}), api.Issue(mockapi.Spec{Inactive: true})
				b := newTrader(t, e, api, keys{k2, k1}, profiles[name](), nil)
				api.Intercept(func(w http.ResponseWriter, _ *http.Request, a mockapi.Attempt) bool {
					if !a.Accepted {
						return false
					}
					if name == "bitmex" {
						w.WriteHeader(http.StatusServiceUnavailable)
					}
					_, _ = io.WriteString(w, busy)
					return true
				})
				for i := range 3000 {
					if err := b.place(t.Context(), e.OrderID(i)); err == nil {
						t.Fatal("a busy exchange took an order")
					}
					time.Sleep(100 * time.Millisecond)
				}
				if _, bad := api.Count(k2.Version); bad > 5*handful {
					t.Errorf("%d bad keys in five minutes", bad)
				}
				api.Intercept(nil)
				if err := b.place(t.Context(), e.OrderID(1)); err != nil {
					t.Errorf("no longer busy: %v", err)
				}
			})
		})
	}
}

// If the profile does not set Lockout, refused requests still reach the exchange,
// with at most a constant number of extra attempts. The same holds for Binance,
// whose refusals are ambiguous. F58
func TestNoStormWhileAllKeysAreRefused(t *testing.T) {
	each(t, func(t *testing.T, name string) {
		synctest.Test(t, func(t *testing.T) {
			e := newExchange(t, name)
			api := mockapi.New(t, append(e.Options(), mockapi.WithMemory())...)
			k1, k2 := api.Issue(mockapi.Spec{}), api.Issue(mockapi.Spec{})
			b := newTrader(t, e, api, keys{k2, k1}, profiles[name](), nil)
			if err := b.place(t.Context(), e.OrderID(9999)); err != nil {
				t.Fatal(err)
			}
			for _, k := range []string{k1.Version, k2.Version} {
				if err := api.Deactivate(k); err != nil {
					t.Fatal(err)
				}
			}
			const orders = 200
			for i := range orders {
				if err := b.place(t.Context(), e.OrderID(i)); err == nil {
					t.Fatal("an order was taken with a dead key")
				}
			}
			if n := len(api.Requests()); n > orders+10 {
				t.Errorf("%d attempts for %d orders", n, orders)
			}
		})
	})
}

// The mock locks out as configured: after n bad keys within the period it refuses
// good keys too, with the exchange's response, which no profile takes for a refusal
// of the key. Then the lockout ends.
func TestLockout(t *testing.T) {
	for name := range profiles {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newExchange(t, name, exchange.WithLockout(3, time.Minute, 15*time.Minute))
				api := mockapi.New(t, append(e.Options(), mockapi.WithMemory())...)
				good, bad := api.Issue(mockapi.Spec{}), api.Issue(mockapi.Spec{})
				bad.ID += "x"
				b := newTrader(t, e, api, keys{good}, profiles[name](), nil)
				try := func(want bool) {
					t.Helper()
					if err := b.place(t.Context(), e.OrderID(1)); (err == nil) != want {
						t.Errorf("taken %v: %v", !want, err)
					}
				}
				stranger := func(n int) {
					t.Helper()
					for range n {
						one := newTrader(t, e, api, keys{bad}, profiles[name](), nil)
						if err := one.place(t.Context(), e.OrderID(2)); err == nil {
							t.Error("a bad key was taken")
						}
						one.ring.Close()
					}
				}
				stranger(2)
				try(true)
				time.Sleep(time.Minute) // the two bad attempts no longer count
				stranger(2)
				try(true)
				stranger(1)
				try(false)
				inUse(t, b, good.Version)
				time.Sleep(15 * time.Minute)
				try(true)
			})
		})
	}
}
