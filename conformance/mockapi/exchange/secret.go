package exchange

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
)

// Kind says what a key's secret is.
type Kind int

// The kinds. Private keys are PKCS #8 in PEM, but for coinbasecdp's Ed25519,
// which is base64 of seed and public half.
const (
	HMAC Kind = iota
	Ed25519
	RSA
	ECDSA
)

// Sentinels returns the texts one of which every shared secret and passphrase
// that an exchange issues begins with, for a search through output: the mock's
// own, and the same in base64. Private keys in PEM have their own first line.
func Sentinels() []string {
	// Nine bytes make twelve characters that do not depend on what follows.
	return []string{mockapi.Sentinel, base64.StdEncoding.EncodeToString([]byte(mockapi.Sentinel[:9])), "-----BEGIN"}
}

// newSecret makes a secret. rand.Reader does not fail, and so neither do these.
func newSecret(k Kind, inBase64 bool) string {
	switch k {
	case Ed25519:
		_, private, err := ed25519.GenerateKey(rand.Reader)
		if inBase64 {
			return base64.StdEncoding.EncodeToString(must(private, err))
		}
		return pkcs8(must(private, err))
	case RSA:
		return pkcs8(must(rsa.GenerateKey(rand.Reader, 2048)))
	case ECDSA:
		return pkcs8(must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)))
	}
	secret := mockapi.Sentinel + rand.Text() + rand.Text()
	if inBase64 {
		return base64.StdEncoding.EncodeToString([]byte(secret))
	}
	return secret
}

func pkcs8(key any) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(key))}))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(fmt.Errorf("exchange: making a key: %w", err))
	}
	return v
}
