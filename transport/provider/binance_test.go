package provider_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/transport/provider"
)

func hmacHex(secret, message string) string {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte(message))
	return hex.EncodeToString(h.Sum(nil))
}

// The caller's order is kept. The time is added if there is none. The signature comes
// last in the body, or in the query of a request without a body. F36
func TestBinanceParameters(t *testing.T) {
	const when = "timestamp=1700000000000"
	for name, c := range map[string]struct{ query, body, wantQuery, wantBody string }{
		"nothing":           {"", "", when, ""},
		"query":             {"z=1&a=%20b", "", "z=1&a=%20b&" + when, ""},
		"body":              {"", "z=1&a=b", "", "z=1&a=b&" + when},
		"both":              {"z=1", "a=b", "z=1", "a=b&" + when},
		"time in the query": {"timestamp=5&z=1", "", "timestamp=5&z=1", ""},
		"time, with a body": {"timestamp=5", "z=1", "timestamp=5", "z=1"},
		"time in the body":  {"z=1", "timestamp=5&a=b", "z=1", "timestamp=5&a=b"},
		"a name like it":    {"mytimestamp=5&timestamps=6", "", "mytimestamp=5&timestamps=6&" + when, ""},
	} {
		t.Run(name, func(t *testing.T) {
			req := newRequest(t, "POST", "https://api.binance.com/api/v3/order", c.query, c.body)
			key := pair(base64Secret)
			sign(t, provider.Binance(at(time.Unix(1_700_000_000, 0))).Scheme, key, req)
			signature := "&signature=" + hmacHex(base64Secret, c.wantQuery+c.wantBody)
			if c.body == "" {
				c.wantQuery += signature
			} else {
				c.wantBody += signature
			}
			if req.URL.RawQuery != c.wantQuery || bodyOf(t, req) != c.wantBody {
				t.Errorf("query %q, body %q", req.URL.RawQuery, bodyOf(t, req))
			}
			if got := req.Header.Get("X-MBX-APIKEY"); got != key.ID {
				t.Errorf("key %q", got)
			}
			if c.body != "" && req.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
				t.Errorf("Content-Type %q", req.Header.Get("Content-Type"))
			}
		})
	}
}

func TestBinanceRefusesWhatItCannotSign(t *testing.T) {
	signer, err := provider.Binance().Scheme.Prepare(pair("s"))
	if err != nil {
		t.Fatal(err)
	}
	req := newRequest(t, "POST", "https://api.binance.com/api/v3/order", "", `{"symbol":"x"}`)
	req.Header.Set("Content-Type", "application/json")
	if err := signer.Sign(req); err == nil || !strings.Contains(err.Error(), "not a form") {
		t.Errorf("JSON: %v", err)
	}
	if err := signer.Sign(newRequest(t, "GET", "https://api.binance.com/api/v3/order", "signature=x", "")); err == nil {
		t.Error("signed what was signed")
	}
}

// Endpoints that take no signature, or no key, get none. F162
func TestBinanceSecurityTypes(t *testing.T) {
	scheme := provider.Binance().Scheme
	signer, err := scheme.Prepare(pair("s"))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/api/v3/ticker/price": "none", "/api/v3/exchangeInfo": "none", "/fapi/v1/premiumIndex": "none", "/futures/data/openInterestHist": "none",
		"/api/v3/userDataStream": "key", "/api/v3/historicalTrades": "key", "/fapi/v1/listenKey": "key",
		"/api/v3/executionRules": "none", "/api/v3/referencePrice": "none", "/api/v3/referencePrice/calculation": "none",
		"/api/v3/historicalBlockTrades": "none", "/sapi/v1/system/status": "none", "/papi/v1/ping": "none", "/eapi/v1/mark": "none",
		"/eapi/v1/depth": "none", "/fapi/v1/rpiDepth": "none", "/papi/v1/listenKey": "key", "/eapi/v1/listenKey": "key",
		"/papi/v1/um/order": "signed", "/eapi/v1/order": "signed", "/sapi/v1/mark": "signed",
		"/api/v3/account": "signed", "/api/v3/order": "signed", "/sapi/v1/asset/ticker/x": "signed", "/fapi/v2/balance": "signed",
	} {
		req := newRequest(t, "GET", "https://api.binance.com"+path, "a=1", "")
		if needed := scheme.Traits().NeedsKey(req); needed != (want != "none") {
			t.Fatalf("%s: needs a key: %v", path, needed)
		} else if needed {
			if err := signer.Sign(req); err != nil {
				t.Fatalf("%s: %v", path, err)
			}
		}
		got := "none"
		if req.URL.Query().Has("signature") {
			got = "signed"
		} else if req.Header.Get("X-MBX-APIKEY") != "" {
			got = "key"
		}
		if got != want || got != "signed" && req.URL.RawQuery != "a=1" {
			t.Errorf("%s: %s, want %s; query %s", path, got, want, req.URL.RawQuery)
		}
	}
}

// A signature costs at most ten allocations.
func TestBinanceAllocations(t *testing.T) {
	signer, err := provider.Binance().Scheme.Prepare(pair("s"))
	if err != nil {
		t.Fatal(err)
	}
	req := newRequest(t, "GET", "https://api.binance.com/api/v3/order", "", "")
	url := *req.URL
	url.RawQuery = "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000"
	n := testing.AllocsPerRun(100, func() {
		req.URL = &url
		if err := signer.Sign(req); err != nil {
			t.Error(err)
		}
	})
	t.Logf("%v allocations", n)
	if n > 10 {
		t.Errorf("%v allocations", n)
	}
}
