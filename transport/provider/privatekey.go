package provider

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"

	"github.com/rollingkeys/rollingkeys/source"
)

// isPEM reports whether the secret means to be a PEM block rather than a shared secret.
func isPEM(s source.Secret) bool {
	return strings.HasPrefix(strings.TrimSpace(s.Expose()), "-----BEGIN")
}

// privateKey parses a private key and returns how it signs, and whether with Ed25519. Its errors are
// fixed texts: those of the parsers may hold some of what they parse.
func privateKey(s source.Secret, takesRSA, takesEd25519 bool) (sign func(dst, message []byte) ([]byte, error), isEd25519 bool, err error) {
	if !takesRSA && !takesEd25519 {
		return nil, false, errors.New("a private key, where a shared secret is wanted")
	}
	block, rest := pem.Decode([]byte(strings.TrimSpace(s.Expose())))
	if block == nil || len(strings.TrimSpace(string(rest))) > 0 {
		return nil, false, errors.New("its PEM block is broken, or has text after it")
	}
	var key any
	if block.Type == "RSA PRIVATE KEY" {
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	} else {
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	}
	if err != nil {
		return nil, false, errors.New("its PEM block is not a private key in PKCS #8 form without a password")
	}
	switch key := key.(type) {
	case ed25519.PrivateKey:
		if isEd25519 = takesEd25519; takesEd25519 {
			sign = func(dst, message []byte) ([]byte, error) { return append(dst, ed25519.Sign(key, message)...), nil }
		}
	case *rsa.PrivateKey:
		if takesRSA {
			sign = func(dst, message []byte) ([]byte, error) {
				digest := sha256.Sum256(message)
				signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:])
				return append(dst, signature...), err
			}
		}
	}
	if sign == nil {
		return nil, false, errors.New("its private key is of a kind that the API does not take")
	}
	// A key that is too small, or inconsistent, shows only when it signs.
	if _, err := sign(nil, nil); err != nil {
		return nil, false, errors.New("its private key cannot sign")
	}
	return sign, isEd25519, nil
}
