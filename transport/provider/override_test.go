package provider_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

// one is a source with one key.
type one struct{ key source.Key }

func (s one) Read(context.Context) (source.Set, error) {
	return source.Set{Keys: []source.Key{s.key}}, nil
}

type trips func(*http.Request) (*http.Response, error)

func (f trips) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// An exchange's own client has signed a request with a dummy key. The request is sent
// as if it had not been signed: with the ring's key, time and signature, and nothing of
// the dummy's.
//
// F113
func TestOverrideReplacesAClientsSignature(t *testing.T) {
	// Nonces grow for each key, so two requests never have the same nonce.
	nonces := regexp.MustCompile(`(nonce"?[=:])\d+`)
	for name, c := range map[string]struct{ method, path, query, body, kind string }{
		"binance":      {"GET", "/api/v3/account", "recvWindow=5000", "", ""},
		"binance form": {"POST", "/api/v3/order", "", "symbol=BTCUSDT&side=BUY", "application/x-www-form-urlencoded"},
		"binance both": {"POST", "/api/v3/order", "symbol=BTCUSDT", "side=BUY", "application/x-www-form-urlencoded"},
		"bybit":        {"GET", "/v5/order/realtime", "category=spot", "", ""},
		"bybit JSON":   {"POST", "/v5/order/create", "", `{"category":"spot"}`, "application/json"},
		"okx":          {"POST", "/api/v5/trade/order", "", `{"instId":"BTC-USDT"}`, "application/json"},
		"kucoin":       {"POST", "/api/v1/orders", "", `{"symbol":"BTC-USDT"}`, "application/json"},
		"gate":         {"POST", "/api/v4/spot/orders", "", `{"text":"t-1"}`, "application/json"},
		"bitmex":       {"POST", "/api/v1/order", "", `{"symbol":"XBTUSD"}`, "application/json"},
		"kraken form":  {"POST", "/0/private/AddOrder", "", "pair=XBTUSD&type=buy", "application/x-www-form-urlencoded"},
		"kraken JSON":  {"POST", "/0/private/AddOrder", "", `{"pair":"XBTUSD","close":{"nonce":1},"volume":1.50}`, "application/json"},
	} {
		t.Run(name, func(t *testing.T) {
			venue, _, _ := strings.Cut(name, " ")
			bare := func() *http.Request {
				req := newRequest(t, c.method, "https://api.example.com"+c.path, c.query, c.body)
				if c.kind != "" {
					req.Header.Set("Content-Type", c.kind)
				}
				return req
			}
			now := time.Unix(1_700_000_000, 0)
			key, dummy := pair(base64Secret), pair(base64Secret)
			key.ID, dummy.ID = uniqueID(), "sentinel-dummy-"+uniqueID()

			want := bare()
			sign(t, profiles(at(now))[venue].Scheme, key, want)

			// The client's own signature, with a time one hour ahead.
			sdk := bare()
			sign(t, profiles(at(now.Add(time.Hour)))[venue].Scheme, dummy, sdk)
			sdk = sdk.WithContext(t.Context())

			keys, err := ring.Keep(t.Context(), one{key}, ring.WithLogger(nil))
			if err != nil {
				t.Fatal(err)
			}
			defer keys.Close()
			var got *http.Request
			base := trips(func(r *http.Request) (*http.Response, error) {
				got = r.Clone(t.Context())
				return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody}, nil
			})
			p := profiles(at(now))[venue]
			p.Origins = []string{"https://api.example.com"}
			resp, err := p.Transport(keys, transport.WithBase(base), transport.WithOverride()).RoundTrip(sdk)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			show := func(r *http.Request) string {
				text := fmt.Sprint(r.URL, bodyOf(t, r), r.ContentLength)
				for _, h := range p.Scheme.Traits().Headers {
					if venue != "kraken" || h != "API-Sign" { // over the nonce
						text += fmt.Sprint(" ", h, r.Header.Values(h))
					}
				}
				return nonces.ReplaceAllString(text, "${1}N")
			}
			if a, b := show(got), show(want); a != b {
				t.Errorf("sent\n%s\nwant\n%s", a, b)
			}
			if strings.Contains(fmt.Sprint(got.URL, got.Header, bodyOf(t, got)), dummy.ID) {
				t.Error("the dummy key went out")
			}
		})
	}
}

// Profile.Transport applies all settings of the profile, and the caller's options after
// them.
func TestProfileTransport(t *testing.T) {
	keys, err := ring.Keep(t.Context(), two{base64Secret}, ring.WithLogger(nil), ring.WithRefusalWait(0))
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close()
	sent := 0
	base := trips(func(r *http.Request) (*http.Response, error) {
		sent++
		return &http.Response{StatusCode: http.StatusUnauthorized, Header: http.Header{}, Body: http.NoBody}, nil
	})
	rt := provider.GitHub().Transport(keys, transport.WithBase(base))
	if rt.Err() != nil || rt.Ring() != keys {
		t.Fatalf("%v", rt.Err())
	}
	get := func(url string) error {
		resp, err := rt.RoundTrip(newRequest(t, "GET", url, "", ""))
		if resp != nil {
			_ = resp.Body.Close()
		}
		return err
	}
	if err := get("https://api.example.com"); err == nil {
		t.Error("an origin that is not the API's got the key")
	}
	var locked error
	for range 10 {
		locked = get("https://api.github.com")
	}
	if locked == nil || sent > 4 {
		t.Errorf("%v after %d bad keys: no lockout", locked, sent)
	}
	if rt := provider.GitHub().Transport(keys, transport.WithOrigin("https://api.example.com"), transport.WithBase(base)); rt.Err() != nil {
		t.Error(rt.Err())
	} else if _, err := rt.RoundTrip(newRequest(t, "GET", "https://api.github.com", "", "")); err == nil {
		t.Error("the caller's origin does not count")
	}
	if err := (provider.Profile{}).Transport(nil).Err(); err == nil {
		t.Error("a transport of nothing")
	}
}

// Version 2 of Anthropic's SDK sends its key in Authorization, which the profile does
// not use. It still counts as a credential of the request and is not sent.
//
// F113
func TestAnthropicOverridesABearerToken(t *testing.T) {
	key := source.Key{Version: "v1", Secret: source.NewSecret("rksentinel_" + uniqueID())}
	keys, err := ring.Keep(t.Context(), one{key})
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close()
	var sent http.Header
	base := transport.WithBase(trips(func(req *http.Request) (*http.Response, error) {
		sent = req.Header
		return &http.Response{StatusCode: http.StatusOK, Header: make(http.Header), Body: http.NoBody, Request: req}, nil
	}))
	for _, override := range []bool{false, true} {
		opts := []transport.Option{base}
		if override {
			opts = append(opts, transport.WithOverride())
		}
		req := newRequest(t, http.MethodGet, "https://api.anthropic.com/v1/models", "", "")
		req.Header.Set("Authorization", "Bearer sentinel-dummy-"+uniqueID())
		resp, err := provider.Anthropic().Transport(keys, opts...).RoundTrip(req)
		switch {
		case !override && (!errors.Is(err, transport.ErrCredential) || sent != nil):
			t.Errorf("without override: %v, sent %v", err, sent != nil)
		case override && err != nil:
			t.Error(err)
		case override && (len(sent["Authorization"]) > 0 || sent.Get("X-Api-Key") != key.Secret.Expose()):
			t.Error("the client's bearer token was sent, or the ring's key was not")
		}
		if resp != nil {
			_ = resp.Body.Close()
		}
	}
}
