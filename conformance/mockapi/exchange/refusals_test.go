package exchange_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
)

// A key that its exchange does not know or calls expired, in the way of one endpoint: every
// request falls back, the previous key is not called safe to revoke, and the new one is
// never taken for accepted. F158, F159
func TestRefusalsByOneEndpoint(t *testing.T) {
	for name, c := range map[string]struct {
		exchange, method, target, refusal string
		end                               func(*mockapi.API, string) error
	}{
		"bybit, expired": {"bybit", "GET", "/v5/account/wallet-balance?accountType=UNIFIED", `"retCode":-2015`,
			func(api *mockapi.API, v string) error { return api.Expire(v, 0) }},
		"binance, sapi": {"binance", "GET", "/sapi/v1/account/status", `"code":-2008`, (*mockapi.API).Revoke},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newExchange(t, c.exchange)
				api := mockapi.New(t, append(e.Options(), mockapi.WithMemory())...)
				k1, k2 := api.Issue(mockapi.Spec{}), api.Issue(mockapi.Spec{})
				if err := c.end(api, k2.Version); err != nil {
					t.Fatal(err)
				}
				b := newTrader(t, e, api, keys{k2, k1}, profiles[c.exchange](), nil)
				for i := range 20 {
					req, err := http.NewRequestWithContext(t.Context(), c.method, api.URL()+c.target, nil)
					if err != nil {
						t.Fatal(err)
					}
					if status, body, err := b.send(req); err != nil || status != http.StatusOK || strings.Contains(string(body), c.refusal) {
						t.Errorf("request %d: %d %s, %v", i, status, body, err)
					}
					time.Sleep(time.Second)
				}
				s := b.ring.Status()
				if s.Current.Accepted != 0 || s.InUse != k1.Version {
					t.Errorf("%s in use, the new key accepted %d times", s.InUse, s.Current.Accepted)
				}
				for _, v := range s.Versions {
					if v.Version == k1.Version && v.SafeToRevoke {
						t.Error("the only good key is called safe to revoke")
					}
				}
				if _, refused := api.Count(k2.Version); refused == 0 {
					t.Error("the new key was never refused")
				}
			})
		})
	}
}
