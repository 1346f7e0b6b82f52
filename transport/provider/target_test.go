package provider_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

// Bytes from 0x80 on are percent-encoded before signing, by every scheme, in the query and
// in a form. The first row is Binance's own example.
// https://developers.binance.com/docs/binance-spot-api-docs/rest-api/request-security
//
// F163
func TestEncodesBeforeSigning(t *testing.T) {
	const (
		secret   = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
		rest     = "&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559"
		signed   = "symbol=%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96" + rest + "&signature=e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3"
		typed    = "symbol=１２３４５６" + rest
		formType = "application/x-www-form-urlencoded"
	)
	for name, contentType := range map[string]string{"query": "", "form": formType, "form without a type": ""} {
		req := newRequest(t, "POST", "https://api.binance.com/api/v3/order", "", "")
		if name == "query" {
			req.URL.RawQuery = typed
		} else {
			req = newRequest(t, "POST", "https://api.binance.com/api/v3/order", "", typed)
		}
		if contentType != "" {
			req.Header.Set("Content-Type", contentType)
		}
		sign(t, provider.Binance().Scheme, pair(secret), req)
		if got := req.URL.RawQuery + bodyOf(t, req); got != signed {
			t.Errorf("%s: sent %q", name, got)
		}
	}
	for name, p := range profiles(at(time.Unix(1_700_000_000, 0))) {
		req := newRequest(t, "POST", "https://api.example.com"+privatePath(name), "", "")
		req.URL.RawQuery = "a=%20b&symbol=币\xff"
		url := req.URL
		sign(t, p.Scheme, pair(base64Secret), req)
		if got := req.URL.RawQuery; !strings.HasPrefix(got, "a=%20b&symbol=%E5%B8%81%FF") {
			t.Errorf("%s: sent %q", name, got)
		}
		if url.RawQuery != "a=%20b&symbol=币\xff" {
			t.Errorf("%s: changed the caller's URL", name)
		}
	}
}

// An opaque URL is signed as net/http sends it, and its path decides whether the request
// needs a key. F166
func TestOpaqueURLsAreSignedAsSent(t *testing.T) {
	const path = "/0/private/a%2Fb"
	for name, p := range profiles(at(time.Unix(1_700_000_000, 0))) {
		sent := make(map[string]bool)
		for _, opaque := range []string{"", path, path + "?a=1"} {
			req := newRequest(t, "POST", "https://api.example.com"+path, "a=1", "")
			if opaque != "" {
				req.URL.Path, req.URL.RawPath, req.URL.Opaque = "", "", opaque
				if strings.Contains(opaque, "?") {
					req.URL.RawQuery = ""
				}
			}
			if p.Scheme.Traits().NeedsKey != nil && !p.Scheme.Traits().NeedsKey(req) {
				t.Errorf("%s: %q is sent without the key", name, opaque)
			}
			key := pair(base64Secret)
			key.ID = "id-of-opaque"
			sign(t, p.Scheme, key, req)
			delete(req.Header, "Authorization") // Deribit's has a nonce
			if name != "kraken" && name != "gemini" && name != "bitfinex" {
				sent[req.URL.RequestURI()+fmtHeader(req.Header)] = true
			}
		}
		if len(sent) > 1 {
			t.Errorf("%s: signed in several ways: %v", name, sent)
		}
	}
	kraken := provider.Kraken().Scheme
	req := newRequest(t, "GET", "https://api.kraken.com/", "", "")
	req.URL.Path, req.URL.Opaque = "", "/0/public/Time"
	if kraken.Traits().NeedsKey(req) {
		t.Error("a public request needs no key")
	}
}

func fmtHeader(h http.Header) string {
	var b strings.Builder
	_ = h.Write(&b)
	return b.String()
}

// A request that Kraken's spot API does not have fails, and is not sent without the key.
// F166
func TestKrakenDoesNotSignForFutures(t *testing.T) {
	p := provider.Kraken()
	keys, err := ring.Keep(t.Context(), one{source.Key{Version: "v1", ID: "id", Secret: source.NewSecret(base64Secret)}}, ring.WithLogger(nil))
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close()
	rt := p.Transport(keys, transport.WithOrigin("https://futures.kraken.com"), transport.WithBase(trips(func(*http.Request) (*http.Response, error) {
		t.Error("the request was sent")
		return nil, http.ErrServerClosed
	})))
	for _, path := range []string{"/derivatives/api/v3/sendorder", "/derivatives/api/v3/tickers", "/"} {
		_, err := rt.RoundTrip(newRequest(t, "POST", "https://futures.kraken.com"+path, "", "a=1"))
		if err == nil || !strings.Contains(err.Error(), "Futures") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// A broker's headers are signed anew for each attempt, over the time and the key id of that
// attempt. The signature of the request is KuCoin's own example.
// https://www.kucoin.com/docs-new/rest/broker/instructions
//
// F166
func TestKuCoinBroker(t *testing.T) {
	const brokerKey, apiKey = "e8512b82-a4aa", "cde06451-dbed" // published with the example
	key := source.Key{ID: "6422da9c97b45100018c6e62", Secret: source.NewSecret(apiKey),
		Extra: map[string]source.Secret{"passphrase": source.NewSecret("sentinel-phrase")}}
	const body = `{"symbol":"BTC-USDT","side":"buy","size":"0.0001","price":"30000","type":"limit","clientOid":"2b802154-8d31-42e6-88ea-c8c18d3e4822","tradeType":"TRADE"}`
	now := time.UnixMilli(1680885532722)
	scheme := provider.KuCoin(provider.WithNow(func() time.Time { return now }),
		provider.KuCoinBroker("goodbroker", "goodbrokerND", source.NewSecret(brokerKey))).Scheme
	for i, text := range []string{"1680885532722", "1680885532723"} {
		req := newRequest(t, "POST", "https://api.kucoin.com/api/v1/orders", "", body)
		sign(t, scheme, key, req)
		mac := hmac.New(sha256.New, []byte(brokerKey))
		mac.Write([]byte(text + "goodbroker" + key.ID))
		for name, want := range map[string]string{
			"KC-API-PARTNER": "goodbroker", "KC-BROKER-NAME": "goodbrokerND", "KC-API-PARTNER-VERIFY": "true", "KC-API-TIMESTAMP": text,
			"KC-API-PARTNER-SIGN": base64.StdEncoding.EncodeToString(mac.Sum(nil)),
		} {
			if got := req.Header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		if got := req.Header.Get("KC-API-SIGN"); i == 0 && got != "ncPuAcZW8WYUZyvblRVVgMfYoVH+FlCTO6K45/FMLFQ=" {
			t.Errorf("signed %s", got)
		}
		now = now.Add(time.Millisecond)
	}
	if names := scheme.Traits().Headers; !strings.Contains(strings.Join(names, " "), "KC-API-PARTNER-SIGN") {
		t.Errorf("the scheme names %v", names)
	}
	signer, err := provider.KuCoin(provider.KuCoinBroker("p", "n", source.Secret{})).Scheme.Prepare(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := signer.Sign(newRequest(t, "GET", "https://api.kucoin.com/api/v1/accounts", "", "")); !errors.Is(err, source.ErrUnusable) {
		t.Errorf("without a broker key: %v", err)
	}
}
