package provider_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/transport/provider"
)

// Kraken's nonce comes first. The rest of the body is unchanged and in order, and
// Content-Length is adapted. F36
func TestKrakenBodies(t *testing.T) {
	for name, c := range map[string]struct{ contentType, body, want, wantType string }{
		"empty":           {"", "", "nonce=1700000000000", "application/x-www-form-urlencoded"},
		"form":            {"", "pair=XBTUSD&a=%20b", "nonce=1700000000000&pair=XBTUSD&a=%20b", "application/x-www-form-urlencoded"},
		"form with nonce": {"application/x-www-form-urlencoded; charset=utf-8", "a=b&nonce=5", "a=b&nonce=5", "application/x-www-form-urlencoded; charset=utf-8"},
		"JSON":            {"application/json", "{\n \"b\": 1.50, \"a\":[] }", "{\"nonce\":1700000000000,\n \"b\": 1.50, \"a\":[] }", "application/json"},
		"JSON, no fields": {"", " { } ", `{"nonce":1700000000000 } `, "application/json"},
		"JSON with nonce": {"application/json", `{"a":{"nonce":1},"nonce":"5"}`, `{"a":{"nonce":1},"nonce":"5"}`, "application/json"},
		"nonce empty":     {"application/json", `{"nonce":""}`, `{"nonce":""}`, "application/json"},
		"nonce null":      {"application/json", `{"nonce":null}`, `{"nonce":null}`, "application/json"},
		"nonce inside":    {"application/json", `{"a":{"nonce":1}}`, `{"nonce":1700000000000,"a":{"nonce":1}}`, "application/json"},
	} {
		t.Run(name, func(t *testing.T) {
			req := newRequest(t, "POST", "https://api.kraken.com/0/private/AddOrder", "", c.body)
			if c.contentType != "" {
				req.Header.Set("Content-Type", c.contentType)
			}
			sign(t, provider.Kraken(at(time.Unix(1_700_000_000, 0))).Scheme, pair(base64Secret), req)
			if got := bodyOf(t, req); got != c.want {
				t.Errorf("body %q, want %q", got, c.want)
			}
			if got := req.Header.Get("Content-Type"); got != c.wantType {
				t.Errorf("Content-Type %q", got)
			}
		})
	}
}

func TestKrakenSignsPrivateRequestsOnly(t *testing.T) {
	signer, err := provider.Kraken().Scheme.Prepare(pair(base64Secret))
	if err != nil {
		t.Fatal(err)
	}
	req := newRequest(t, "GET", "https://api.kraken.com/0/public/Ticker", "pair=XBTUSD", "")
	if provider.Kraken().Scheme.Traits().NeedsKey(req) {
		t.Error("a public request needs no key")
	}
	for what, method := range map[string]string{`{"pair":1`: "GET", "text": "POST"} {
		req := newRequest(t, method, "https://api.kraken.com/0/private/Balance", "", what)
		req.Header.Set("Content-Type", "text/plain")
		if err := signer.Sign(req); err == nil {
			t.Errorf("%s %s was signed", method, what)
		}
	}
}

// Gemini's parameters are sent in a header. Missing fields are put first.
func TestGeminiPayload(t *testing.T) {
	for body, want := range map[string]string{
		"":                               `{"request":"/v1/orders","nonce":1700000000000}`,
		`{"symbol":"btcusd", "b":"1.0"}`: `{"request":"/v1/orders","nonce":1700000000000,"symbol":"btcusd", "b":"1.0"}`,
		`{"nonce":7}`:                    `{"request":"/v1/orders","nonce":7}`,
		`{"request":"/x"}`:               `{"nonce":1700000000000,"request":"/x"}`,
	} {
		req := newRequest(t, "POST", "https://api.gemini.com/v1/orders", "", body)
		sign(t, provider.Gemini(at(time.Unix(1_700_000_000, 0))).Scheme, pair("s"), req)
		got, err := base64.StdEncoding.DecodeString(req.Header.Get("X-GEMINI-PAYLOAD"))
		if err != nil || string(got) != want {
			t.Errorf("%s: payload %s, %v", body, got, err)
		}
		if bodyOf(t, req) != "" || req.ContentLength != 0 {
			t.Errorf("%s: a body is sent", body)
		}
	}
	signer, err := provider.Gemini().Scheme.Prepare(pair("s"))
	if err != nil {
		t.Fatal(err)
	}
	if err := signer.Sign(newRequest(t, "POST", "https://api.gemini.com/v1/orders", "", "a=b")); err == nil {
		t.Error("a form was signed")
	}
}

// Gate signs the path and query decoded, but sends them unchanged.
func TestGateDecodes(t *testing.T) {
	req := newRequest(t, "GET", "https://api.gateio.ws/api/v4/a%2Bb", "text=t%2D1", "")
	plain := newRequest(t, "GET", "https://api.gateio.ws/api/v4/a+b", "text=t-1", "")
	scheme, key := provider.Gate(at(time.Unix(1_700_000_000, 0))).Scheme, pair("s")
	sign(t, scheme, key, req)
	sign(t, scheme, key, plain)
	if req.Header.Get("SIGN") != plain.Header.Get("SIGN") || req.URL.String() != "https://api.gateio.ws/api/v4/a%2Bb?text=t%2D1" {
		t.Errorf("%s signed as %s", req.URL, req.Header.Get("SIGN"))
	}
}

// KuCoin signs path and query decoded, sends them as they are. The query is the
// one of KuCoin's page. https://www.kucoin.com/docs-new/authentication
func TestKuCoinDecodes(t *testing.T) {
	for query, signed := range map[string]string{
		"apiKey=67b3&subName=test&passphrase=abc%21%40%2311": "?apiKey=67b3&subName=test&passphrase=abc!@#11",
		"a=%2B+%26": "?a=+ &", "a=b": "?a=b", "": "",
	} {
		key := pair("s")
		req := newRequest(t, "GET", "https://api.kucoin.com/api/v1/sub/api%2Dkey", query, "")
		sign(t, provider.KuCoin(at(time.Unix(1_700_000_000, 0))).Scheme, key, req)
		h := hmac.New(sha256.New, []byte("s"))
		h.Write([]byte("1700000000000GET/api/v1/sub/api-key" + signed))
		if got, want := req.Header.Get("KC-API-SIGN"), base64.StdEncoding.EncodeToString(h.Sum(nil)); got != want {
			t.Errorf("%q: signed %s, want %s", query, got, want)
		}
		if req.URL.RawQuery != query || req.URL.EscapedPath() != "/api/v1/sub/api%2Dkey" {
			t.Errorf("%q: sent as %s", query, req.URL)
		}
		if got := req.Header.Get("KC-API-KEY-VERSION"); got != "3" {
			t.Errorf("key version %s", got)
		}
	}
	signer, err := provider.KuCoin().Scheme.Prepare(pair("s"))
	if err != nil {
		t.Fatal(err)
	}
	if err := signer.Sign(newRequest(t, "GET", "https://api.kucoin.com/api/v1/accounts", "a=%zz", "")); err == nil {
		t.Error("a broken escape was signed")
	}
}

// If the caller sets the window or the key version, the scheme keeps it.
func TestCallersOwnSettings(t *testing.T) {
	key := pair("s")
	req := newRequest(t, "GET", "https://api.bybit.com/v5/order/realtime", "a=1", "")
	req.Header.Set("X-BAPI-RECV-WINDOW", "9000")
	sign(t, provider.Bybit(at(time.Unix(1_700_000_000, 0))).Scheme, key, req)
	if want := hmacHex("s", "1700000000000"+key.ID+"9000a=1"); req.Header.Get("X-BAPI-SIGN") != want || req.Header.Get("X-BAPI-RECV-WINDOW") != "9000" {
		t.Errorf("Bybit: %v", req.Header)
	}
	req = newRequest(t, "GET", "https://api.kucoin.com/api/v1/accounts", "", "")
	req.Header.Set("KC-API-KEY-VERSION", "2")
	sign(t, provider.KuCoin().Scheme, key, req)
	if got := req.Header["Kc-Api-Key-Version"]; strings.Join(got, ",") != "2" {
		t.Errorf("KuCoin: %v", got)
	}
}

// With TimeNonce the nonce is the time in seconds. It may repeat, so requests are not sent in
// turn. F161
func TestTimeNonce(t *testing.T) {
	key := pair("s")
	scheme := provider.Gemini(at(time.Unix(1_700_000_000, 999_000_000)), provider.TimeNonce(), provider.NonceUnit(time.Nanosecond)).Scheme
	for range 2 {
		req := newRequest(t, "POST", "https://api.gemini.com/v1/orders", "", "")
		sign(t, scheme, key, req)
		got, err := base64.StdEncoding.DecodeString(req.Header.Get("X-GEMINI-PAYLOAD"))
		if err != nil || string(got) != `{"request":"/v1/orders","nonce":1700000000}` {
			t.Errorf("payload %s, %v", got, err)
		}
	}
	if scheme.Traits().Sequential || !provider.Gemini().Scheme.Traits().Sequential {
		t.Error("only growing nonces need requests in turn")
	}
}
