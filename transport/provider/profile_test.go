package provider_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

// Prepare returns an error for a key that the scheme cannot use. The error contains
// nothing of the key. F19, F95
func TestUnusableKeys(t *testing.T) {
	const sentinel = "sentinel-5"
	for name, p := range profiles() {
		for what, spoil := range map[string]func(*source.Key){
			"no id":               func(k *source.Key) { k.ID = "" },
			"id with CR LF":       func(k *source.Key) { k.ID = sentinel + "\r\nX: y" },
			"no secret":           func(k *source.Key) { k.Secret = source.Secret{} },
			"broken PEM":          func(k *source.Key) { k.Secret = source.NewSecret("-----BEGIN PRIVATE KEY-----\n" + sentinel) },
			"certificate":         func(k *source.Key) { k.Secret = source.NewSecret(pemText("CERTIFICATE", []byte(sentinel))) },
			"PKCS #8 of nothing":  func(k *source.Key) { k.Secret = source.NewSecret(pemText("PRIVATE KEY", []byte(sentinel))) },
			"PKCS #1 of nothing":  func(k *source.Key) { k.Secret = source.NewSecret(pemText("RSA PRIVATE KEY", []byte(sentinel))) },
			"elliptic curve":      func(k *source.Key) { k.Secret = source.NewSecret(ecdsaPEM(t)) },
			"PEM with text after": func(k *source.Key) { k.Secret = source.NewSecret(ed25519PEM(t) + sentinel) },
		} {
			key := pair(base64Secret)
			spoil(&key)
			signer, err := p.Scheme.Prepare(key)
			if !errors.Is(err, source.ErrUnusable) || signer != nil || strings.Contains(fmt.Sprint(err), sentinel) {
				t.Errorf("%s, %s: %v, %v", name, what, signer, err)
			}
		}
	}
	for _, name := range []string{"coinbaseexchange", "okx", "kucoin"} {
		for _, extra := range []string{"", "a\nb"} {
			key := pair(base64Secret)
			key.Extra["passphrase"] = source.NewSecret(extra)
			if _, err := profiles()[name].Scheme.Prepare(key); !errors.Is(err, source.ErrUnusable) {
				t.Errorf("%s with passphrase %q: %v", name, extra, err)
			}
		}
	}
	for _, name := range []string{"kraken", "coinbaseexchange"} {
		_, err := profiles()[name].Scheme.Prepare(pair(sentinel + "!"))
		if !errors.Is(err, source.ErrUnusable) || strings.Contains(err.Error(), sentinel) {
			t.Errorf("%s with a secret that is no base64: %v", name, err)
		}
	}
	if _, err := (provider.Signing{}).Profile().Scheme.Prepare(pair("x")); !errors.Is(err, source.ErrUnusable) {
		t.Errorf("zero Signing: %v", err) // F109
	}
}

// F19: a secret that a header shows must be one that a header can carry. One that only
// makes signatures need not be.
func TestSecretInAHeader(t *testing.T) {
	const sentinel = "sentinel-5"
	for name, c := range map[string]struct {
		value    provider.Part
		unusable bool
	}{
		"Secret":       {provider.Secret, true},
		"Join":         {provider.Join(provider.Text("key="), provider.Secret), true},
		"Signed":       {provider.Signed(provider.Secret), false},
		"needs a body": {func(dst []byte, c *provider.Call) []byte { return append(dst, c.Request.Body.(*os.File).Name()...) }, false},
	} {
		s := provider.Signing{Name: "own", Hash: sha256.New, Encode: hex.AppendEncode,
			Headers: []provider.Header{{Name: "X-Key", Value: provider.ID}, {Name: "X-Secret", Value: c.value}}}
		for _, secret := range []string{sentinel + "\n", sentinel + "\x00x", sentinel + "é"} {
			_, err := s.Profile().Scheme.Prepare(pair(secret))
			if errors.Is(err, source.ErrUnusable) != c.unusable || err != nil && strings.Contains(err.Error(), sentinel) {
				t.Errorf("%s with secret %q: %v", name, strings.TrimPrefix(secret, sentinel), err)
			}
		}
		if _, err := s.Profile().Scheme.Prepare(pair(sentinel)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// F93: fmt does not print the secret of a signer.
func TestSignersPrintNoSecret(t *testing.T) {
	for name, p := range profiles() {
		signer, err := p.Scheme.Prepare(pair(base64Secret))
		if err != nil {
			t.Fatal(err)
		}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
			if text := fmt.Sprintf(verb, signer); strings.Contains(text, base64Secret) || strings.Contains(text, "sentinel-phrase") {
				t.Errorf("%s: %s prints the secret", name, verb)
			}
		}
	}
}

// Every profile has the required fields.
func TestProfiles(t *testing.T) {
	all := profiles()
	for _, p := range []provider.Profile{provider.Stripe(), provider.StripeBasic(), provider.OpenAI(), provider.Anthropic(), provider.GitHub(),
		provider.TokenMetrics(""), provider.Google("https://maps.googleapis.com"), provider.Slack(), provider.Datadog(""), provider.Datadog("us3.datadoghq.com"),
		provider.Alpaca(), provider.GraphQL(transport.Bearer(), "https://api.example.com"), provider.APIGateway("https://a.execute-api.eu-central-1.amazonaws.com")} {
		all[p.Name+fmt.Sprint(len(all))] = p
	}
	for _, p := range all {
		if p.Name == "" || p.Scheme == nil || p.Classifier == nil || len(p.Origins) == 0 {
			t.Errorf("%s is incomplete", p.Name)
		}
		for _, o := range p.Origins {
			if req := newRequest(t, "GET", o, "", ""); req.URL.Scheme != "https" || req.URL.Host == "" || req.URL.Path != "" {
				t.Errorf("%s: origin %s", p.Name, o)
			}
		}
		if want := slices.Contains([]string{"kraken", "bitmex", "github"}, p.Name); p.Lockout != want {
			t.Errorf("%s: lockout %v", p.Name, p.Lockout)
		}
	}
}

// Plain keys are sent where each API documents.
func TestPlainKeys(t *testing.T) {
	for _, c := range []struct {
		p           provider.Profile
		header, was string
	}{
		{provider.TokenMetrics(""), "X-Api-Key", "sentinel-k"}, {provider.TokenMetrics("api_key"), "Api_key", "sentinel-k"},
		{provider.Stripe(), "Authorization", "Bearer sentinel-k"}, {provider.StripeBasic(), "Authorization", "Basic c2VudGluZWwtazo="},
		{provider.OpenAI(), "Authorization", "Bearer sentinel-k"}, {provider.Anthropic(), "X-Api-Key", "sentinel-k"},
		{provider.GitHub(), "Authorization", "Bearer sentinel-k"}, {provider.Google(), "X-Goog-Api-Key", "sentinel-k"},
		{provider.Generic(transport.Header("X-Key")), "X-Key", "sentinel-k"},
		{provider.Slack(), "Authorization", "Bearer sentinel-k"}, {provider.GraphQL(transport.Header("x-hasura-admin-secret")), "X-Hasura-Admin-Secret", "sentinel-k"},
	} {
		req := newRequest(t, "GET", "https://api.example.com/", "", "")
		sign(t, c.p.Scheme, source.Key{Secret: source.NewSecret("sentinel-k")}, req)
		if got := req.Header[c.header]; len(got) != 1 || got[0] != c.was {
			t.Errorf("%s: %v", c.p.Name, req.Header)
		}
		if _, err := c.p.Scheme.Prepare(source.Key{}); !errors.Is(err, source.ErrUnusable) {
			t.Errorf("%s without a secret: %v", c.p.Name, err)
		}
	}
}

// The error type decides which 403 of API Gateway may be about the key.
//
// F138
func TestAPIGatewayErrorTypes(t *testing.T) {
	for kind, want := range map[string]transport.Verdict{
		"ForbiddenException": transport.Ambiguous, "ForbiddenException:http://internal.amazon.com/coral/com.amazon.coral.service/": transport.Ambiguous,
		"AccessDeniedException": transport.Inconclusive, "MissingAuthenticationTokenException": transport.Inconclusive,
	} {
		a := transport.NewAnswer(http.StatusForbidden, http.Header{"X-Amzn-Errortype": {kind}}, []byte(`{"message":"Forbidden"}`))
		if v := provider.APIGateway().Classifier(a); v != want {
			t.Errorf("%s: verdict %d, want %d", kind, v, want)
		}
	}
}

// An origin of a test network, a demo account or a region replaces those of the profile: the
// key does not go to the API's main origins.
//
// F139
func TestNamedOrigins(t *testing.T) {
	for origin, p := range map[string]provider.Profile{
		provider.BinanceTestnet: provider.Binance(), provider.BinanceFuturesTestnet: provider.Binance(), provider.BinanceDemo: provider.Binance(),
		provider.BinanceUS: provider.Binance(), provider.BybitTestnet: provider.Bybit(), provider.BybitDemo: provider.Bybit(),
		provider.BybitEU: provider.Bybit(), provider.BybitEmirates: provider.Bybit(), provider.BybitGeorgia: provider.Bybit(),
		provider.BybitIndonesia: provider.Bybit(), provider.BybitKazakhstan: provider.Bybit(), provider.BybitNetherlands: provider.Bybit(),
		provider.BybitTurkey: provider.Bybit(), provider.OKXEurope: provider.OKX(), provider.OKXUS: provider.OKX(),
		provider.AlpacaPaper: provider.Alpaca(), provider.BitMEXTestnet: provider.BitMEX(), provider.CoinbaseCDPSandbox: provider.CoinbaseCDP(),
		provider.CoinbaseExchangeSandbox: provider.CoinbaseExchange(), provider.DeribitTestnet: provider.Deribit(),
		provider.GateTestnet: provider.Gate(), provider.GateFuturesTestnet: provider.Gate(), provider.GeminiSandbox: provider.Gemini(),
	} {
		keys, err := ring.Keep(t.Context(), one{source.Key{Version: "v1", Secret: source.NewSecret("sentinel-k")}}, ring.WithLogger(nil))
		if err != nil {
			t.Fatal(err)
		}
		defer keys.Close()
		rt := p.Transport(keys, transport.WithOrigin(origin), transport.WithBase(trips(func(*http.Request) (*http.Response, error) {
			t.Error("sent to the main origin")
			return nil, http.ErrServerClosed
		})))
		if err := rt.Err(); err != nil {
			t.Errorf("%s: %v", origin, err)
		}
		if _, err := rt.RoundTrip(newRequest(t, "GET", p.Origins[0]+"/", "", "")); !errors.Is(err, transport.ErrOrigin) || !strings.Contains(err.Error(), origin) {
			t.Errorf("%s: error %v", origin, err)
		}
	}
}
