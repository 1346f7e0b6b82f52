package provider_test

import (
	"cmp"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport"
	. "github.com/rollingkeys/rollingkeys/transport/provider"
)

// The profiles of this file are written as a user writes them, with what the package
// exports, in the lines that the package's own take.

func outsideOKX(opts ...Option) Profile {
	p := Signing{
		Name: "outside-okx", Hash: sha256.New, Encode: base64.StdEncoding.AppendEncode, Extra: []string{"passphrase"},
		Message: []Part{ISO8601, Method, Target, Body},
		Headers: []Header{
			{"OK-ACCESS-KEY", ID}, {"OK-ACCESS-SIGN", Signature},
			{"OK-ACCESS-TIMESTAMP", ISO8601}, {"OK-ACCESS-PASSPHRASE", Extra("passphrase")},
		},
		Login: func(c *Call) ([]byte, error) {
			type arg struct {
				APIKey     string `json:"apiKey"`
				Passphrase string `json:"passphrase"`
				Timestamp  string `json:"timestamp"`
				Sign       string `json:"sign"`
			}
			return json.Marshal(struct {
				Op   string `json:"op"`
				Args []arg  `json:"args"`
			}{"login", []arg{{c.Value(ID), c.Value(Extra("passphrase")), c.Value(Seconds), c.Value(Signed(Seconds, Text("GET/users/self/verify")))}}})
		},
	}.Profile(opts...)
	p.Classifier = Codes("code", map[transport.Verdict][]string{
		transport.RefusedUnapplied: {"50105", "50111", "50113", "50114", "50119"}, transport.ClockSkew: {"50102", "50112"},
	}, 200, 400, 401, 403)
	return p
}

func outsideKraken(opts ...Option) Profile {
	p := Signing{
		Name: "outside-kraken", Hash: sha512.New, Decode: base64.StdEncoding.DecodeString, Encode: base64.StdEncoding.AppendEncode,
		NonceUnit: time.Millisecond,
		Traits: transport.Traits{
			Sequential: true,
			NeedsKey:   func(req *http.Request) bool { return strings.Contains(req.URL.Path, "/private/") },
		},
		Replaces: []string{"nonce"},
		Before: func(c *Call) error {
			if c.Request.Method != http.MethodPost {
				return errors.New("private requests are sent with POST")
			}
			c.AddField("nonce", Nonce)
			return nil
		},
		Message: []Part{Path, func(dst []byte, c *Call) []byte {
			h := sha256.New()
			h.Write([]byte(c.Field("nonce")))
			h.Write(c.Body())
			return h.Sum(dst)
		}},
		Headers: []Header{{"API-Key", ID}, {"API-Sign", Signature}},
	}.Profile(opts...)
	p.Lockout = true
	p.Classifier = Codes("error.*", map[transport.Verdict][]string{
		transport.RefusedUnapplied: {"EAPI:Invalid key", "EAPI:Invalid signature"}, transport.ClockSkew: {"EAPI:Invalid nonce"},
		transport.Passed: {"EOrder:*"}, transport.Inconclusive: {"E*"},
	}, 200)
	return p
}

// https://docs.kalshi.com/getting_started/quick_start_authenticated_requests
func outsideKalshi(opts ...Option) Profile {
	return Signing{
		Name: "outside-kalshi", RSAPSS: true,
		Message: []Part{Millis, Method, Path},
		Headers: []Header{{"KALSHI-ACCESS-KEY", ID}, {"KALSHI-ACCESS-TIMESTAMP", Millis}, {"KALSHI-ACCESS-SIGNATURE", Signature}},
	}.Profile(opts...)
}

// https://docs.backpack.exchange/#section/Authentication
func outsideBackpack(opts ...Option) Profile {
	return Signing{
		Name: "outside-backpack", Ed25519: true,
		Message: []Part{Text("instruction=orderExecute&"), Body, Text("&timestamp="), Millis, Text("&window=5000")},
		Headers: []Header{{"X-API-Key", ID}, {"X-Timestamp", Millis}, {"X-Window", Text("5000")}, {"X-Signature", Signature}},
	}.Profile(opts...)
}

func outsideCoinbase(opts ...Option) Profile {
	return Signing{
		Name: "outside-coinbase", ES256: true, Ed25519: true,
		Headers: []Header{{"Authorization", Join(Text("Bearer "), JWT(func(c *Call) (header, claims map[string]any) {
			id, from, host := c.Value(ID), c.Time.Add(-time.Minute).Unix(), cmp.Or(c.Request.Host, c.Request.URL.Host)
			return map[string]any{"kid": id, "nonce": c.Value(Random)}, map[string]any{
				"sub": id, "iss": "cdp", "nbf": from, "exp": from + 120, "uri": c.Value(Method, Text(" "), Text(host), Path),
			}
		}))}},
	}.Profile(opts...)
}

// https://docs.upbit.com/kr/reference/auth
func outsideUpbit(opts ...Option) Profile {
	return Signing{
		Name: "outside-upbit", Hash: sha512.New, Encode: base64.RawURLEncoding.AppendEncode,
		Headers: []Header{{"Authorization", Join(Text("Bearer "), JWT(func(c *Call) (header, claims map[string]any) {
			return nil, map[string]any{"access_key": c.Value(ID), "nonce": c.Value(Random)}
		}))}},
	}.Profile(opts...)
}

// A scheme that is written outside the package signs as the vectors require.
func TestOutsideVectors(t *testing.T) {
	for _, v := range readVectors(t) {
		var p Profile
		header, when := "OK-ACCESS-SIGN", time.Time{}
		key := source.Key{ID: or(v.Key, uniqueID()), Secret: source.NewSecret(v.Secret)}
		switch v.Scheme {
		case "okx":
			p = outsideOKX()
			key.Extra = map[string]source.Secret{"passphrase": source.NewSecret(or(v.Passphrase, "x"))}
			var err error
			if when, err = time.Parse(time.RFC3339, v.Timestamp); err != nil {
				t.Fatal(err)
			}
		case "kraken-spot":
			p, header = outsideKraken(), "API-Sign"
		default:
			continue
		}
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(time.Until(when))
			req := newRequest(t, v.Method, "https://"+or(v.Host, "api.example.com")+v.Path, v.Query, v.Body)
			sign(t, p.Scheme, key, req)
			if got := req.Header.Get(header); got != v.Expected {
				t.Errorf("%s: %s, want %s (%s)", v.ID, got, v.Expected, v.Provenance)
			}
		})
	}
}

// A scheme that is written outside the package sends what the package's own sends, and
// logs in with the same message.
func TestOutsideIsAsGoodAsInside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct{ inside, outside Profile }{{OKX(), outsideOKX()}, {Kraken(), outsideKraken()}} {
			for _, body := range []string{"", "a=1&b=2", `{"a":1}`, `{ }`, "nonce=7&a=1", `{"a":1,"nonce":"7"}`} {
				key := pair(base64Secret)
				inside := newRequest(t, "POST", "https://api.example.com/0/private/AddOrder", "q=1", body)
				outside := newRequest(t, "POST", "https://api.example.com/0/private/AddOrder", "q=1", body)
				sign(t, c.inside.Scheme, key, inside)
				sign(t, c.outside.Scheme, key, outside)
				if a, b := fingerprint(t, inside), fingerprint(t, outside); a != b {
					t.Errorf("%s: inside\n%s\noutside\n%s", c.inside.Name, a, b)
				}
			}
		}
		key := pair(base64Secret)
		inside, err := OKX().Login(key)
		if err != nil {
			t.Fatal(err)
		}
		if outside, err := outsideOKX().Login(key); err != nil || string(outside) != string(inside) {
			t.Errorf("login %s, want %s: %v", outside, inside, err)
		}
		if _, err := outsideOKX().Login(source.Key{ID: "id"}); !errors.Is(err, source.ErrUnusable) {
			t.Errorf("login of a key without a passphrase: %v", err)
		}
	})
}

// The public key verifies the RSA-PSS signature. Kalshi's salt is as long as the hash.
func TestOutsideKalshi(t *testing.T) {
	req := newRequest(t, "POST", "https://api.example.com/trade-api/v2/portfolio/orders", "limit=5", `{"ticker":"x"}`)
	sign(t, outsideKalshi().Scheme, pair(pkcs8(t, testRSA(t))), req)
	sum, err := base64.StdEncoding.DecodeString(req.Header.Get("KALSHI-ACCESS-SIGNATURE"))
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte(req.Header.Get("KALSHI-ACCESS-TIMESTAMP") + "POST/trade-api/v2/portfolio/orders"))
	if err := rsa.VerifyPSS(&testRSA(t).PublicKey, crypto.SHA256, digest[:], sum, &rsa.PSSOptions{SaltLength: sha256.Size}); err != nil {
		t.Error(err)
	}
	for what, secret := range map[string]string{"a shared secret": base64Secret, "Ed25519": ed25519PEM(t), "ECDSA": ecdsaPEM(t)} {
		if _, err := outsideKalshi().Scheme.Prepare(pair(secret)); !errors.Is(err, source.ErrUnusable) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// Backpack issues Ed25519 keys in base64.
func TestOutsideBackpack(t *testing.T) {
	req := newRequest(t, "POST", "https://api.example.com/api/v1/order", "", "orderType=Limit&price=1")
	sign(t, outsideBackpack().Scheme, pair(base64.StdEncoding.EncodeToString(ed25519Key().Seed())), req)
	verifyEd25519(t, "instruction=orderExecute&orderType=Limit&price=1&timestamp="+req.Header.Get("X-Timestamp")+"&window=5000",
		req.Header.Get("X-Signature"))
}
