package provider_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

// parts signs a request whose header X consists of the parts.
func parts(t *testing.T, s provider.Signing, key source.Key, req *http.Request, of ...provider.Part) string {
	t.Helper()
	s.Name = "parts"
	s.Headers = []provider.Header{{"X", provider.Join(of...)}}
	sign(t, s.Profile(nil).Scheme, key, req) // F125
	return req.Header.Get("X")
}

var shared = provider.Signing{Hash: sha256.New, Encode: hex.AppendEncode, Message: []provider.Part{provider.Text("m")}}

// Each part appends what its comment says.
func TestParts(t *testing.T) {
	key := pair(base64Secret)
	for name, c := range map[string]struct {
		part provider.Part
		want string
	}{
		"Secret": {provider.Secret, base64Secret}, "ID": {provider.ID, key.ID}, "Extra": {provider.Extra("passphrase"), "sentinel-phrase"},
		"Message": {provider.Message, "m"}, "Signature": {provider.Signature, hmacHex(base64Secret, "m")},
		"Signed": {provider.Signed(provider.Text("n")), hmacHex(base64Secret, "n")}, "Algorithm": {provider.Algorithm, "HS256"},
		"Path": {provider.Path, "/a%20b"}, "Query": {provider.Query, "q=%2B+"}, "Target": {provider.Target, "/a%20b?q=%2B+"},
		"DecodedPath": {provider.DecodedPath, "/a b"}, "DecodedQuery": {provider.DecodedQuery, "q=+ "}, "DecodedTarget": {provider.DecodedTarget, "/a b?q=+ "},
		"nested": {func(dst []byte, c *provider.Call) []byte {
			dst = append(dst, "("...)
			return append(append(dst, c.Value(provider.Text("x"), func(dst []byte, c *provider.Call) []byte {
				return append(dst, c.Value(provider.Text("y"))...)
			})...), ")"...)
		}, "(xy)"},
	} {
		req := newRequest(t, "GET", "https://api.example.com/a%20b", "q=%2B+", "")
		if got := parts(t, shared, key, req, c.part); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	for want, s := range map[string]provider.Signing{
		"RS256": {RSA: true}, "PS256": {RSA: true, RSAPSS: true}, "EdDSA": {Ed25519: true}, "ES256": {ES256: true},
	} {
		secret := map[string]string{"EdDSA": ed25519PEM(t), "ES256": ecdsaPEM(t)}[want]
		key := pair(or(secret, pkcs8(t, testRSA(t))))
		if got := parts(t, s, key, newRequest(t, "GET", "https://api.example.com/", "", ""), provider.Algorithm, provider.Signature); got != want {
			t.Errorf("%s, want %s and no signature of no message", got, want)
		}
	}
}

// All parts of an attempt have the same nonce, and the next attempt has another. F49
func TestNoncesOfAnAttempt(t *testing.T) {
	key := pair(base64Secret)
	for name, nonce := range map[string]provider.Part{"Nonce": provider.Nonce, "Random": provider.Random} {
		seen := make(map[string]bool)
		for range 3 {
			both := parts(t, shared, key, newRequest(t, "GET", "https://api.example.com/", "", ""), nonce, provider.Text(" "), nonce)
			a, b, _ := strings.Cut(both, " ")
			if a == "" || a != b || seen[a] {
				t.Errorf("%s: %s", name, both)
			}
			seen[a] = true
		}
	}
}

// The error of a part, a hook or a login is the request's error, and no header is set.
func TestFail(t *testing.T) {
	errPart := errors.New("part")
	fails := func(dst []byte, c *provider.Call) []byte {
		c.Fail(errPart)
		c.Fail(errors.New("later"))
		return dst
	}
	for name, change := range map[string]func(*provider.Signing){
		"message": func(s *provider.Signing) { s.Message = []provider.Part{fails} },
		"before":  func(s *provider.Signing) { s.Before = func(*provider.Call) error { return errPart } },
		"after":   func(s *provider.Signing) { s.After = func(c *provider.Call) error { fails(nil, c); return nil } },
		"header":  func(s *provider.Signing) { s.Headers = []provider.Header{{"X", provider.ID}, {"Y", fails}} },
	} {
		s := shared
		s.Headers = []provider.Header{{"X", provider.ID}}
		s.Login = func(c *provider.Call) ([]byte, error) { return []byte(c.Value(fails)), nil }
		change(&s)
		signer, err := s.Profile().Scheme.Prepare(pair(base64Secret))
		if err != nil {
			t.Fatal(err)
		}
		req := newRequest(t, "GET", "https://api.example.com/", "", "")
		if err := signer.Sign(req); !errors.Is(err, errPart) || len(req.Header) > 0 {
			t.Errorf("%s: %v, headers %v", name, err, req.Header)
		}
		if message, err := s.Profile().Login(pair(base64Secret)); !errors.Is(err, errPart) || message != nil {
			t.Errorf("login: %s, %v", message, err)
		}
	}
}

// "*" stands for each element of a list. The first listed value decides, even if the
// list is cut off. F65
func TestCodesOfAList(t *testing.T) {
	classify := provider.Codes("errors.*.code", map[transport.Verdict][]string{unapplied: {"bad"}, clock: {"7"}}, 200)
	for body, want := range map[string]transport.Verdict{
		`{"errors":[{"code":"other"},{"x":1},3,{"code":"BAD"},{"code":7}]}`: unapplied, `{"errors":[{"code":7},{"code":"bad"}]}`: clock,
		`{"errors":[]}`: passed, `{"errors":{"code":"bad"}}`: passed, `{"errors":"bad"}`: passed, `{"errors":[{"code":"other"}]}`: passed,
		`{"errors":[{"code":"bad","text":"cut o`: unapplied, `{"errors":[[["bad`: passed, ``: passed, `[`: passed,
	} {
		if got := classify(transport.NewAnswer(200, nil, []byte(body))); got != want {
			t.Errorf("%s: verdict %d, want %d", body, got, want)
		}
	}
}
