package exchange_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/conformance/mockapi/exchange"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

// Keys with a time-based nonce: every order is accepted, also many at once, and with a wrong
// clock if it is learnt. F161
func TestTimeNonces(t *testing.T) {
	for _, skew := range []time.Duration{0, 25 * time.Second, -10 * time.Minute} {
		t.Run(skew.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newExchange(t, "gemini", exchange.WithTimeNonces(), exchange.WithSkew(skew))
				api := mockapi.New(t, append(e.Options(), mockapi.WithMemory())...)
				p := provider.Gemini(provider.TimeNonce(), provider.LearnClock())
				if p.Scheme.Traits().Sequential {
					t.Error("requests are sent one at a time")
				}
				b := newTrader(t, e, api, keys{api.Issue(mockapi.Spec{})}, p, nil)
				var wg sync.WaitGroup
				for i := range 20 {
					wg.Go(func() {
						if err := b.place(t.Context(), e.OrderID(i)); err != nil {
							t.Error(err)
						}
					})
				}
				wg.Wait()
				if n := len(e.Orders()); n != 20 {
					t.Errorf("%d orders", n)
				}
			})
		})
	}
}
