package provider_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

// A vector is one row of testdata/vectors.json. Its "provenance" says how much it
// proves: a self-computed vector only detects regressions.
type vector struct {
	ID, Scheme, Provenance, Key, Secret, Passphrase string
	Method, Host, Path, Query, Body                 string
	Timestamp, Nonce, Expires, Expected             string
	StringToSign                                    string `json:"string_to_sign"`
	PayloadJSON                                     string `json:"payload_json"`
}

func readVectors(t *testing.T) []vector {
	t.Helper()
	data, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Vectors []vector }
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	return file.Vectors
}

// Each vector is prepared and signed. Its signature must be where the API expects it.
func TestVectors(t *testing.T) {
	vectors := readVectors(t)
	if len(vectors) != 18 {
		t.Fatalf("%d vectors, want 18", len(vectors))
	}
	for _, v := range vectors {
		t.Run(v.ID, func(t *testing.T) {
			key := source.Key{ID: v.Key, Secret: source.NewSecret(v.Secret)}
			if key.ID == "" || v.Scheme == "bitfinex-v2" {
				// The id is not part of the string to sign. Nonces are counted for each id.
				key.ID = uniqueID()
			}
			if v.Passphrase != "" || v.Scheme == "okx" || v.Scheme == "kucoin" {
				key.Extra = map[string]source.Secret{"passphrase": source.NewSecret(v.Passphrase + strings.Repeat("x", 1-min(1, len(v.Passphrase))))}
			}
			method, body := v.Method, v.Body
			if v.PayloadJSON != "" {
				body = v.PayloadJSON
			}
			if method == "" {
				method = "GET"
			}
			req := newRequest(t, method, "https://"+or(v.Host, "api.example.com")+v.Path, v.Query, body)
			scheme, signature := schemeOf(t, v)
			sign(t, scheme, key, req)
			if got := signature(req); got != v.Expected {
				t.Errorf("signature %s, want %s (%s)", got, v.Expected, v.Provenance)
			}
		})
	}
}

// schemeOf returns the scheme of a vector at the vector's time, and the place of its
// signature.
func schemeOf(t *testing.T, v vector) (transport.Scheme, func(*http.Request) string) {
	header := func(name string) func(*http.Request) string {
		return func(r *http.Request) string { return r.Header.Get(name) }
	}
	millis := func() provider.Option {
		n, err := strconv.ParseInt(v.Timestamp, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return at(time.UnixMilli(n))
	}
	seconds := func(text string, less time.Duration) provider.Option {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return at(time.Unix(n, 0).Add(-less))
	}
	switch v.Scheme {
	case "binance-hmac":
		return provider.Binance().Scheme, func(r *http.Request) string {
			if text := bodyOf(t, r); text != "" {
				return text[strings.LastIndex(text, "=")+1:]
			}
			return r.URL.Query().Get("signature")
		}
	case "kraken-spot":
		return provider.Kraken().Scheme, header("API-Sign")
	case "bitmex":
		return provider.BitMEX(seconds(v.Expires, 30*time.Second)).Scheme, header("api-signature")
	case "bybit-v5":
		return provider.Bybit(millis()).Scheme, header("X-BAPI-SIGN")
	case "okx":
		when, err := time.Parse(time.RFC3339, v.Timestamp)
		if err != nil {
			t.Fatal(err)
		}
		return provider.OKX(at(when)).Scheme, header("OK-ACCESS-SIGN")
	case "kucoin-primitive":
		return provider.Signing{
			Name: "kucoin", Hash: sha256.New, Encode: base64.StdEncoding.AppendEncode,
			Message: []provider.Part{provider.Text(v.StringToSign)},
			Headers: []provider.Header{{"KC-API-SIGN", provider.Signature}},
		}.Profile().Scheme, header("KC-API-SIGN")
	case "kucoin-passphrase":
		return provider.KuCoin().Scheme, header("KC-API-PASSPHRASE")
	case "kucoin":
		return provider.KuCoin(millis()).Scheme, header("KC-API-SIGN")
	case "gemini":
		return provider.Gemini().Scheme, func(r *http.Request) string {
			if bodyOf(t, r) != "" || r.Header.Get("X-GEMINI-PAYLOAD") != v.StringToSign {
				t.Error("the payload is not in the header alone")
			}
			return r.Header.Get("X-GEMINI-SIGNATURE")
		}
	case "deribit":
		// The vector's nonce is not a number, so the profile signs with its own nonce. That
		// must match the signature made here, and with the vector's nonce the vector's.
		signed := func(r *http.Request, nonce string) string {
			return hmacHex(v.Secret, strings.Join([]string{v.Timestamp, nonce, r.Method, r.URL.RequestURI(), "", ""}, "\n"))
		}
		return provider.Deribit(millis()).Scheme, func(r *http.Request) string {
			before := "deri-hmac-sha256 id=" + v.Key + ",ts=" + v.Timestamp + ",sig="
			text, ok := strings.CutPrefix(r.Header.Get("Authorization"), before)
			text, nonce, found := strings.Cut(text, ",nonce=")
			if !ok || !found || text != signed(r, nonce) {
				t.Error("Authorization has another form, or another signature")
			}
			return signed(r, v.Nonce)
		}
	case "coinbase-exchange":
		return provider.CoinbaseExchange(seconds(v.Timestamp, 0)).Scheme, header("CB-ACCESS-SIGN")
	case "gate-v4":
		return provider.Gate(seconds(v.Timestamp, 0)).Scheme, header("SIGN")
	case "bitfinex-v2":
		n, err := strconv.ParseInt(v.Nonce, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return provider.Bitfinex(at(time.UnixMicro(n))).Scheme, header("bfx-signature")
	case "basic":
		return transport.Basic(), func(r *http.Request) string {
			return strings.TrimPrefix(r.Header.Get("Authorization"), "Basic ")
		}
	}
	t.Fatalf("no scheme for %s", v.Scheme)
	return nil, nil
}
