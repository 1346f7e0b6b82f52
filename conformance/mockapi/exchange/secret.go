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

// Kind is the kind of a key's secret.
type Kind int

// HMAC is a shared secret. The other kinds are private keys, PKCS #8 in PEM. Ed25519
// of coinbasecdp is the base64 of seed and public key instead.
const (
	HMAC Kind = iota
	Ed25519
	RSA
	ECDSA
)

// Sentinels returns the prefixes of the secrets and passphrases that an exchange
// issues, so that a test can search output for leaks: [mockapi.Sentinel], its
// beginning in base64, and the first line of a private key in PEM.
func Sentinels() []string {
	// Nine bytes encode to twelve characters, whatever follows them.
	return []string{mockapi.Sentinel, base64.StdEncoding.EncodeToString([]byte(mockapi.Sentinel[:9])), "-----BEGIN"}
}

// newSecret makes a secret. It cannot fail, since rand.Reader does not fail.
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
