package coinbasecdp_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport/provider/coinbasecdp"
)

// F104
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const name = "organizations/o/apiKeys/k"

func ecKey(t *testing.T, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func pemText(t *testing.T, kind string, data []byte, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}))
}

// Every form of key signs a token that its public half verifies, with the claims
// and the header that Coinbase documents.
func TestTokens(t *testing.T) {
	ec := ecKey(t, elliptic.P256())
	sec1, err := x509.MarshalECPrivateKey(ec)
	sec1PEM := pemText(t, "EC PRIVATE KEY", sec1, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(ec)
	pkcs8PEM := pemText(t, "PRIVATE KEY", pkcs8, err)
	ed := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32))
	for form, c := range map[string]struct {
		secret, alg string
		public      crypto.PublicKey
	}{
		"SEC 1":            {sec1PEM, "ES256", ec.Public()},
		"PKCS #8":          {pkcs8PEM, "ES256", ec.Public()},
		"on one line":      {strings.ReplaceAll(sec1PEM, "\n", `\n`), "ES256", ec.Public()},
		"Ed25519 seed":     {base64.StdEncoding.EncodeToString(ed.Seed()), "EdDSA", ed.Public()},
		"Ed25519 with key": {base64.StdEncoding.EncodeToString(ed), "EdDSA", ed.Public()},
	} {
		t.Run(form, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				signer, err := coinbasecdp.Profile().Scheme.Prepare(source.Key{ID: name, Secret: source.NewSecret(c.secret)})
				if err != nil {
					t.Fatal(err)
				}
				seen := make(map[string]bool)
				for range 2 { // F49: a token of its own for each attempt
					req, err := http.NewRequest("POST", "https://api.coinbase.com/api/v3/brokerage/orders?a=b", strings.NewReader("{}"))
					if err != nil {
						t.Fatal(err)
					}
					if err := signer.Sign(req); err != nil {
						t.Fatal(err)
					}
					text, ok := strings.CutPrefix(req.Header.Get("Authorization"), "Bearer ")
					if !ok || seen[text] {
						t.Fatal("no bearer token, or the last one again")
					}
					seen[text] = true
					token, err := jwt.Parse(text, func(*jwt.Token) (any, error) { return c.public, nil }, jwt.WithValidMethods([]string{c.alg}))
					if err != nil {
						t.Fatal(err)
					}
					now := float64(time.Now().Unix())
					want := jwt.MapClaims{
						"sub": name, "iss": "cdp", "nbf": now, "exp": now + 120, "uri": "POST api.coinbase.com/api/v3/brokerage/orders",
					}
					if fmt.Sprint(token.Claims) != fmt.Sprint(want) {
						t.Errorf("claims %v, want %v", token.Claims, want)
					}
					if nonce, _ := token.Header["nonce"].(string); len(nonce) != 32 || token.Header["kid"] != name || token.Header["typ"] != "JWT" {
						t.Errorf("header %v", token.Header)
					}
					time.Sleep(time.Second)
				}
			})
		})
	}
}

// F19, F95: a key that cannot sign never becomes current, and the error holds
// nothing of it.
func TestUnusableKeys(t *testing.T) {
	p384, err := x509.MarshalPKCS8PrivateKey(ecKey(t, elliptic.P384()))
	wrongCurve := pemText(t, "PRIVATE KEY", p384, err)
	sec1, err := x509.MarshalECPrivateKey(ecKey(t, elliptic.P256()))
	good := pemText(t, "EC PRIVATE KEY", sec1, err)
	halves := append(bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)...)
	for what, key := range map[string]source.Key{
		"no id":      {Secret: source.NewSecret(good)},
		"CR in id":   {ID: "a\rb", Secret: source.NewSecret(good)},
		"no secret":  {ID: name},
		"text":       {ID: name, Secret: source.NewSecret("sentinel-5")},
		"31 bytes":   {ID: name, Secret: source.NewSecret(base64.StdEncoding.EncodeToString(make([]byte, 31)))},
		"two halves": {ID: name, Secret: source.NewSecret(base64.StdEncoding.EncodeToString(halves))},
		"broken PEM": {ID: name, Secret: source.NewSecret("-----BEGIN EC PRIVATE KEY-----\nsentinel-5")},
		"text after": {ID: name, Secret: source.NewSecret(good + "sentinel-5")},
		"P-384":      {ID: name, Secret: source.NewSecret(wrongCurve)},
	} {
		signer, err := coinbasecdp.Profile().Scheme.Prepare(key)
		if !errors.Is(err, source.ErrUnusable) || signer != nil || strings.Contains(err.Error(), "sentinel-5") {
			t.Errorf("%s: %v, %v", what, signer, err)
		}
	}
}
