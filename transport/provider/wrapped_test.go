package provider_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

// wrapped is p with a scheme that a user has embedded in a struct.
func wrapped(p provider.Profile) provider.Profile {
	p.Scheme = struct{ transport.Scheme }{p.Scheme}
	p.Origins = []string{"https://api.example.com"}
	return p
}

// everyProfile lists all profiles of the package, with each option.
func everyProfile() map[string]provider.Profile {
	all := map[string]provider.Profile{
		"alpaca": provider.Alpaca(), "apigateway": provider.APIGateway(), "anthropic": provider.Anthropic(), "datadog": provider.Datadog(""), "github": provider.GitHub(),
		"google": provider.Google(), "graphql": provider.GraphQL(transport.Bearer()), "openai": provider.OpenAI(), "slack": provider.Slack(),
		"stripe": provider.Stripe(), "stripe basic": provider.StripeBasic(), "tokenmetrics": provider.TokenMetrics(""),
		"generic": provider.Generic(transport.Query("key")), "coinbasecdp": provider.CoinbaseCDP(),
	}
	for name, p := range profiles() {
		all[name] = p
	}
	for name, p := range profiles(provider.LearnClock()) {
		all[name+" that learns the clock"] = p
	}
	return all
}

// A scheme that is embedded in a struct keeps its traits.
//
// F124
func TestWrappedSchemesKeepTheirTraits(t *testing.T) {
	for name, p := range everyProfile() {
		bare, around := reflect.ValueOf(p.Scheme.Traits()), reflect.ValueOf(wrapped(p).Scheme.Traits())
		for i := range bare.NumField() {
			field := bare.Type().Field(i).Name
			if a, b := bare.Field(i), around.Field(i); a.Kind() == reflect.Func && a.IsNil() != b.IsNil() ||
				a.Kind() != reflect.Func && fmt.Sprint(a) != fmt.Sprint(b) {
				t.Errorf("%s: %s is %v, want %v", name, field, b, a)
			}
		}
	}
}

// wrappedKey is a key that the profile's scheme accepts.
func wrappedKey(p provider.Profile) source.Key {
	key := pair(base64Secret)
	if p.Name == "coinbasecdp" {
		key = pair(base64.StdEncoding.EncodeToString(ed25519Key()))
	}
	key.Version = "v1"
	key.Extra["application-key"] = source.NewSecret("sentinel-application")
	return key
}

func wrappedTransport(t *testing.T, p provider.Profile, base http.RoundTripper, opts ...transport.Option) *transport.Transport {
	t.Helper()
	keys, err := ring.Keep(t.Context(), one{wrappedKey(p)}, ring.WithLogger(nil))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keys.Close() })
	if len(p.Origins) == 0 {
		opts = append(opts, transport.WithOriginOfFirstRequest())
	}
	return wrapped(p).Transport(keys, append(opts, transport.WithBase(base))...)
}

// With every wrapped scheme the caller's own key is an error, or is replaced if the
// caller wants that. A request that needs no key gets none.
//
// F47, F124
func TestWrappedSchemesSeeCallersKeys(t *testing.T) {
	for name, p := range everyProfile() {
		t.Run(name, func(t *testing.T) {
			var sent string
			base := trips(func(r *http.Request) (*http.Response, error) {
				var body []byte
				if r.Body != nil {
					body, _ = io.ReadAll(r.Body)
				}
				sent = fmt.Sprint(r.URL, r.Header, string(body))
				return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody}, nil
			})
			strict := wrappedTransport(t, p, base)
			replaces := wrappedTransport(t, p, base, transport.WithOverride())
			own := func() *http.Request {
				return newRequest(t, "POST", "https://api.example.com"+privatePath(strings.Fields(name)[0]), "", "")
			}
			for _, header := range p.Scheme.Traits().Headers {
				req := own()
				req.Header.Set(header, "sentinel-dummy")
				if _, err := strict.RoundTrip(req); !errors.Is(err, transport.ErrCredential) {
					t.Errorf("%s: %v", header, err)
				}
				if _, err := replaces.RoundTrip(req); err != nil || strings.Contains(sent, "sentinel-dummy") {
					t.Errorf("%s: %v, or the dummy went out", header, err)
				}
			}
			for _, param := range p.Scheme.Traits().Params {
				req := own()
				req.URL.RawQuery = param + "=sentinel-dummy"
				if _, err := strict.RoundTrip(req); !errors.Is(err, transport.ErrCredential) {
					t.Errorf("%s: %v", param, err)
				}
				if _, err := replaces.RoundTrip(req); err != nil || strings.Contains(sent, "sentinel-dummy") {
					t.Errorf("%s: %v, or the dummy went out", param, err)
				}
			}
		})
	}
	base := trips(func(r *http.Request) (*http.Response, error) {
		if len(r.Header) > 0 || r.URL.RawQuery != "" {
			t.Errorf("%s: a public request went out with %v and %s", r.URL.Path, r.Header, r.URL.RawQuery)
		}
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody}, nil
	})
	for path, p := range map[string]provider.Profile{
		"/0/public/Time": provider.Kraken(), "/api/v3/time": provider.Binance(), "/api/api.test": provider.Slack(),
	} {
		if _, err := wrappedTransport(t, p, base).RoundTrip(newRequest(t, "GET", "https://api.example.com"+path, "", "")); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// With a wrapped scheme nonces arrive in order, however long each request takes.
//
// F49, F124
func TestWrappedSchemesKeepNoncesInOrder(t *testing.T) {
	for _, name := range []string{"kraken", "gemini", "bitfinex"} {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			var last uint64
			out := 0
			base := trips(func(r *http.Request) (*http.Response, error) {
				text := r.Header.Get("bfx-nonce")
				switch name {
				case "kraken":
					data, _ := io.ReadAll(r.Body)
					text = strings.TrimPrefix(string(data), "nonce=")
				case "gemini":
					data, _ := base64.StdEncoding.DecodeString(r.Header.Get("X-GEMINI-PAYLOAD"))
					var payload struct{ Nonce json.Number }
					_ = json.Unmarshal(data, &payload)
					text = payload.Nonce.String()
				}
				nonce, err := strconv.ParseUint(text, 10, 64)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				out++
				late := time.Duration(100-out) * time.Second
				mu.Unlock()
				time.Sleep(late) // sent concurrently, later requests would overtake it
				mu.Lock()
				defer mu.Unlock()
				if nonce <= last {
					t.Errorf("%s: nonce %d came after %d", name, nonce, last)
				}
				last = nonce
				return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody}, nil
			})
			rt := wrappedTransport(t, profiles()[name], base)
			var wg sync.WaitGroup
			for range 30 {
				wg.Go(func() {
					if _, err := rt.RoundTrip(newRequest(t, "POST", "https://api.example.com"+privatePath(strings.Fields(name)[0]), "", "")); err != nil {
						t.Errorf("%s: %v", name, err)
					}
				})
			}
			wg.Wait()
		})
	}
}

// A wrapped scheme knows which GETs have an effect, and learns the server's clock.
//
// F67, F124
func TestWrappedSchemesKnowTheirRequests(t *testing.T) {
	if wrapped(provider.Deribit()).Reads(newRequest(t, "GET", "https://api.example.com/api/v2/private/buy", "", "")) {
		t.Error("an order by GET passes for a read")
	}
	sent := 0
	base := trips(func(*http.Request) (*http.Response, error) {
		sent++
		return &http.Response{StatusCode: http.StatusBadRequest, Header: http.Header{"Date": {time.Now().Add(-time.Minute).UTC().Format(http.TimeFormat)}},
			Body: io.NopCloser(strings.NewReader(`{"code":-1021}`))}, nil
	})
	rt := wrappedTransport(t, provider.Binance(provider.LearnClock()), base)
	if _, err := rt.RoundTrip(newRequest(t, "GET", "https://api.example.com/api/v3/account", "", "")); err != nil || sent != 2 {
		t.Errorf("%v; sent %d times, want 2: signed anew by the server's clock", err, sent)
	}
}
