package exchange_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
)

// Less usual forms of requests are signed right too: Kraken's parameters in JSON,
// Binance's in query and body together, and characters that must be escaped. Others
// are escaped by the scheme. F163
func TestOtherForms(t *testing.T) {
	for what, c := range map[string]struct {
		exchange, method, target, contentType, body string
	}{
		"kraken, JSON":          {"kraken", "POST", "/0/private/Balance", "application/json", `{"asset":"XBT"}`},
		"kraken, empty":         {"kraken", "POST", "/0/private/Balance", "", ""},
		"kraken, own nonce":     {"kraken", "POST", "/0/private/Balance", "application/x-www-form-urlencoded", "asset=XBT&nonce=1"},
		"kraken, escapes":       {"kraken", "POST", "/0/private/Balance", "application/x-www-form-urlencoded", "asset=%2B+%26"},
		"binance, both":         {"binance", "POST", "/api/v3/order?symbol=BTCUSDT&recvWindow=9000", "application/x-www-form-urlencoded", "newClientOrderId=a"},
		"binance, escapes":      {"binance", "GET", "/api/v3/account?symbol=%E4%BD%A0%2B&omitZeroBalances=true", "", ""},
		"binance, as typed":     {"binance", "GET", "/api/v3/account?symbol=币安人生USDT", "", ""}, // F163
		"binance, form":         {"binance", "POST", "/api/v3/order", "application/x-www-form-urlencoded", "symbol=币安人生USDT&newClientOrderId=a"},
		"binance, no type":      {"binance", "POST", "/api/v3/order", "", "symbol=币安人生USDT&newClientOrderId=a"},
		"kraken, as typed":      {"kraken", "POST", "/0/private/Balance", "application/x-www-form-urlencoded", "asset=币安"},
		"kraken, no type":       {"kraken", "POST", "/0/private/Balance", "", "asset=币安"},
		"okx, as typed":         {"okx", "GET", "/api/v5/account/balance?ccy=币安", "", ""},
		"bybit, as typed":       {"bybit", "GET", "/v5/account/wallet-balance?coin=币安", "", ""},
		"kucoin, as typed":      {"kucoin", "GET", "/api/v1/accounts?currency=币安", "", ""},
		"gate, as typed":        {"gate", "GET", "/api/v4/spot/accounts?currency=币安", "", ""},
		"deribit, as typed":     {"deribit", "GET", "/api/v2/private/get_account_summary?currency=币安", "", ""},
		"bitmex, as typed":      {"bitmex", "GET", "/api/v1/user/margin?currency=币安", "", ""},
		"bitvavo, as typed":     {"bitvavo", "GET", "/v2/balance?symbol=币安", "", ""},
		"binance, own time":     {"binance", "GET", "/api/v3/account?timestamp={now}&recvWindow=60000", "", ""},
		"okx, escapes":          {"okx", "GET", "/api/v5/account/balance?ccy=%2B%20a+b,c", "", ""},
		"gate, escapes":         {"gate", "GET", "/api/v4/spot/accounts?currency=a%2Bb%20c+d", "", ""},
		"kucoin, escapes":       {"kucoin", "GET", "/api/v1/accounts?currency=abc%21%40%2311&type=a+b%2Bc", "", ""},
		"gemini, no parameters": {"gemini", "POST", "/v1/balances", "", ""},
	} {
		t.Run(what, func(t *testing.T) {
			e := newExchange(t, c.exchange)
			api := mockapi.New(t, e.Options()...)
			b := newTrader(t, e, api, keys{api.Issue(mockapi.Spec{})}, profiles[c.exchange](), nil)
			target := strings.ReplaceAll(c.target, "{now}", millis())
			req, err := http.NewRequestWithContext(t.Context(), c.method, api.URL()+target, strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			if c.contentType != "" {
				req.Header.Set("Content-Type", c.contentType)
			}
			if status, body, err := b.send(req); err != nil || status != http.StatusOK || strings.Contains(string(body), "EAPI") {
				t.Errorf("%d %s, %v", status, body, err)
			}
			if accepted, _ := api.Count("v1"); accepted != 1 {
				t.Errorf("accepted %d times", accepted)
			}
		})
	}
}

// The signature covers the path that is sent, also if the URL is opaque. F166
func TestOpaqueURLs(t *testing.T) {
	each(t, func(t *testing.T, name string) {
		for what, opaque := range map[string]func(*url.URL){
			"path":        func(u *url.URL) { u.Opaque = u.EscapedPath() },
			"path, query": func(u *url.URL) { u.Opaque, u.RawQuery = u.RequestURI(), "" },
		} {
			e := newExchange(t, name)
			api := mockapi.New(t, e.Options()...)
			b := newTrader(t, e, api, keys{api.Issue(mockapi.Spec{})}, profiles[name](), nil)
			req, err := e.Place(t.Context(), api.URL(), e.OrderID(1))
			if err != nil {
				t.Fatal(err)
			}
			opaque(req.URL)
			req.URL.Path, req.URL.RawPath = "", ""
			if err := b.order(req, nil, e.OrderID(1)); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}
