package provider_test

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

const coinbaseName = "organizations/o/apiKeys/k"

// between returns the base64 of a PEM block.
func between(block string) string {
	lines := strings.Split(strings.TrimSpace(block), "\n")
	return strings.Join(lines[1:len(lines)-1], "")
}

// Every form of key signs a token that its public key verifies, with the claims and the
// header that Coinbase documents. A scheme that is written outside the package does the
// same.
func TestCoinbaseTokens(t *testing.T) {
	ec := ecKey(t, elliptic.P256())
	der, err := x509.MarshalECPrivateKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	sec1, ed := pemText("EC PRIVATE KEY", der), ed25519Key()
	for form, c := range map[string]struct {
		secret, alg string
		public      crypto.PublicKey
	}{
		"SEC 1":            {sec1, "ES256", ec.Public()},
		"PKCS #8":          {pkcs8(t, ec), "ES256", ec.Public()},
		"on one line":      {strings.ReplaceAll(sec1, "\n", `\n`), "ES256", ec.Public()},
		"Ed25519 seed":     {base64.StdEncoding.EncodeToString(ed.Seed()), "EdDSA", ed.Public()},
		"Ed25519 with key": {base64.StdEncoding.EncodeToString(ed), "EdDSA", ed.Public()},
		"Ed25519 PKCS #8":  {pkcs8(t, ed), "EdDSA", ed.Public()},
		"Ed25519, no PEM":  {between(pkcs8(t, ed)), "EdDSA", ed.Public()}, // F164
		"Ed25519 on one":   {strings.ReplaceAll(pkcs8(t, ed), "\n", `\n`), "EdDSA", ed.Public()},
	} {
		for where, p := range map[string]provider.Profile{"inside": provider.CoinbaseCDP(), "outside": outsideCoinbase()} {
			t.Run(form+", "+where, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					signer, err := p.Scheme.Prepare(source.Key{ID: coinbaseName, Secret: source.NewSecret(c.secret)})
					if err != nil {
						t.Fatal(err)
					}
					seen := make(map[any]bool)
					for range 2 { // F49: a token of its own for each attempt
						req := newRequest(t, "POST", "https://api.coinbase.com/api/v3/brokerage/orders", "a=b", "{}")
						if err := signer.Sign(req); err != nil {
							t.Fatal(err)
						}
						header, claims := tokenOf(t, req, c.public)
						now := float64(time.Now().Unix())
						if want := map[string]any{
							"sub": coinbaseName, "iss": "cdp", "nbf": now - 60, "exp": now + 60, "uri": "POST api.coinbase.com/api/v3/brokerage/orders",
						}; !reflect.DeepEqual(claims, want) {
							t.Errorf("claims %v, want %v", claims, want)
						}
						nonce, _ := header["nonce"].(string)
						if len(nonce) != 32 || seen[nonce] || header["kid"] != coinbaseName || header["typ"] != "JWT" || header["alg"] != c.alg {
							t.Errorf("header %v", header)
						}
						seen[nonce] = true
						time.Sleep(time.Second)
					}
				})
			})
		}
	}
}

// F19, F95: a key that cannot sign never becomes current, and the error contains
// nothing of it.
func TestCoinbaseUnusableKeys(t *testing.T) {
	der, err := x509.MarshalECPrivateKey(ecKey(t, elliptic.P256()))
	if err != nil {
		t.Fatal(err)
	}
	good := pemText("EC PRIVATE KEY", der)
	halves := append(bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)...)
	for what, key := range map[string]source.Key{
		"no id":      {Secret: source.NewSecret(good)},
		"CR in id":   {ID: "a\rb", Secret: source.NewSecret(good)},
		"no secret":  {ID: coinbaseName},
		"text":       {ID: coinbaseName, Secret: source.NewSecret("sentinel-5")},
		"31 bytes":   {ID: coinbaseName, Secret: source.NewSecret(base64.StdEncoding.EncodeToString(make([]byte, 31)))},
		"two halves": {ID: coinbaseName, Secret: source.NewSecret(base64.StdEncoding.EncodeToString(halves))},
		"broken PEM": {ID: coinbaseName, Secret: source.NewSecret("-----BEGIN EC PRIVATE KEY-----\nsentinel-5")},
		"text after": {ID: coinbaseName, Secret: source.NewSecret(good + "sentinel-5")},
		"P-384":      {ID: coinbaseName, Secret: source.NewSecret(pkcs8(t, ecKey(t, elliptic.P384())))},
		"RSA":        {ID: coinbaseName, Secret: source.NewSecret(pkcs8(t, testRSA(t)))},
	} {
		signer, err := provider.CoinbaseCDP().Scheme.Prepare(key)
		if !errors.Is(err, source.ErrUnusable) || signer != nil || strings.Contains(err.Error(), "sentinel-5") {
			t.Errorf("%s: %v, %v", what, signer, err)
		}
	}
}
