package provider_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

func pemText(kind string, data []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}))
}

func pkcs8(t testing.TB, key any) string {
	t.Helper()
	data, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pemText("PRIVATE KEY", data)
}

func ecKey(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func ecdsaPEM(t testing.TB) string {
	t.Helper()
	return pkcs8(t, ecKey(t, elliptic.P256()))
}

func ed25519Key() ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
}

func ed25519PEM(t testing.TB) string { return pkcs8(t, ed25519Key()) }

var rsaKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

func testRSA(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	key, err := rsaKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func verifyRSA(t *testing.T, message, signature string) {
	t.Helper()
	sum, err := base64.StdEncoding.DecodeString(signature)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte(message))
	if err := rsa.VerifyPKCS1v15(&testRSA(t).PublicKey, crypto.SHA256, digest[:], sum); err != nil {
		t.Error(err)
	}
}

func verifyEd25519(t *testing.T, message, signature string) {
	t.Helper()
	sum, err := base64.StdEncoding.DecodeString(signature)
	if err != nil {
		t.Fatal(err)
	}
	if !ed25519.Verify(ed25519Key().Public().(ed25519.PublicKey), []byte(message), sum) {
		t.Error("the signature does not verify")
	}
}

// The form of the secret decides how Binance signs. The public key verifies what is
// sent.
func TestBinancePrivateKeys(t *testing.T) {
	for name, c := range map[string]struct {
		pem    string
		verify func(t *testing.T, message, signature string)
	}{
		"Ed25519":     {ed25519PEM(t), verifyEd25519},
		"RSA PKCS #8": {pkcs8(t, testRSA(t)), verifyRSA},
		"RSA PKCS #1": {pemText("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(testRSA(t))), verifyRSA},
	} {
		t.Run(name, func(t *testing.T) {
			for _, body := range []string{"", "symbol=BTCUSDT&side=BUY"} {
				req := newRequest(t, "POST", "https://api.binance.com/api/v3/order", "recvWindow=9000", body)
				sign(t, provider.Binance().Scheme, pair("\n"+c.pem+"\n"), req)
				all := req.URL.RawQuery + bodyOf(t, req)
				message, signature, ok := strings.Cut(all, "&signature=")
				if !ok || !strings.Contains(message, "timestamp=") {
					t.Fatalf("signed %q", all)
				}
				signature, err := url.QueryUnescape(signature)
				if err != nil {
					t.Fatal(err)
				}
				c.verify(t, message, signature)
			}
		})
	}
}

func TestBybitPrivateKey(t *testing.T) {
	req := newRequest(t, "POST", "https://api.bybit.com/v5/order/create", "", `{"a":1}`)
	key := pair(pkcs8(t, testRSA(t)))
	sign(t, provider.Bybit().Scheme, key, req)
	verifyRSA(t, req.Header.Get("X-BAPI-TIMESTAMP")+key.ID+`5000{"a":1}`, req.Header.Get("X-BAPI-SIGN"))
	if _, err := provider.Bybit().Scheme.Prepare(pair(ed25519PEM(t))); !errors.Is(err, source.ErrUnusable) {
		t.Errorf("Ed25519: %v", err)
	}
}

// A private key in PEM signs in each form that tools make of it, and never becomes a shared
// secret.
//
// F144
func TestFormsOfPEM(t *testing.T) {
	der, err := x509.MarshalECPrivateKey(ecKey(t, elliptic.P256()))
	if err != nil {
		t.Fatal(err)
	}
	const params = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
	block := pemText("EC PRIVATE KEY", der)
	for form, text := range map[string]string{
		"as it is": block, `\n`: strings.ReplaceAll(block, "\n", `\n`), `\n in quotes`: `"` + strings.ReplaceAll(block, "\n", `\n`) + `"`, "in quotes": `'` + block + `'`,
		"after EC PARAMETERS": params + block, "after Bag Attributes": "Bag Attributes\n    localKeyID: 01\n" + block, "spaces": strings.ReplaceAll(block, "\n", " "),
	} {
		all := profiles()
		all["coinbasecdp"] = provider.CoinbaseCDP()
		for name, p := range all {
			_, err := p.Scheme.Prepare(pair(text))
			if (err == nil) != (name == "coinbasecdp") || err != nil && !errors.Is(err, source.ErrUnusable) {
				t.Errorf("%s, %s: %v", name, form, err)
			}
		}
		own := provider.Signing{Name: "own", Hash: sha256.New, Encode: hex.AppendEncode}
		if _, err := own.Profile().Scheme.Prepare(pair(text)); !errors.Is(err, source.ErrUnusable) {
			t.Errorf("a shared secret, %s: %v", form, err)
		}
	}
}
