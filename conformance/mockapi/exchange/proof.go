package exchange

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"hash"
	"math/big"
	"strings"

	"github.com/rollingkeys/rollingkeys/source"
)

// This file shares no code with the signers of transport/provider, so that it does
// not repeat their errors.

// macOf returns a check that sent is the HMAC of message under the key's secret.
func macOf(newHash func() hash.Hash, inBase64 bool, sent []byte, message string) func(source.Key) fault {
	return func(key source.Key) fault {
		if secret := sharedSecret(key, inBase64); secret == nil || !hmac.Equal(mac(newHash, secret, message), sent) {
			return badSignature
		}
		return fine
	}
}

func mac(newHash func() hash.Hash, secret []byte, message string) []byte {
	h := hmac.New(newHash, secret)
	h.Write([]byte(message))
	return h.Sum(nil)
}

func sharedSecret(key source.Key, inBase64 bool) []byte {
	text := key.Secret.Expose()
	if !inBase64 {
		return []byte(text)
	}
	return unbase64(text)
}

// unhex and unbase64 return nil for invalid input; nil is never a valid signature.
func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		return nil
	}
	return b
}

func unbase64(s string) []byte {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return nil
	}
	return b
}

// publicOf returns the public key of a private key in PEM; nil if key is not one.
func publicOf(key source.Key) crypto.PublicKey {
	block, _ := pem.Decode([]byte(key.Secret.Expose()))
	if block == nil {
		return nil
	}
	private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil
	}
	return private.(crypto.Signer).Public()
}

// verify reports whether signature is a valid signature of message under public.
func verify(public crypto.PublicKey, message string, signature []byte) bool {
	digest := sha256.Sum256([]byte(message))
	switch public := public.(type) {
	case ed25519.PublicKey:
		return ed25519.Verify(public, []byte(message), signature)
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature) == nil
	case *ecdsa.PublicKey: // r and s concatenated, as in JWTs (RFC 7518 section 3.4)
		if len(signature) != 64 {
			return false
		}
		r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
		return ecdsa.Verify(public, digest[:], r, s)
	}
	return false
}

// macOrPrivate returns a check of sent: for a shared secret a hexadecimal HMAC, for
// a private key a base64 signature.
func macOrPrivate(newHash func() hash.Hash, sent, message string) func(source.Key) fault {
	return func(key source.Key) fault {
		if !strings.HasPrefix(key.Secret.Expose(), "-----BEGIN") {
			return macOf(newHash, false, unhex(sent), message)(key)
		}
		if !verify(publicOf(key), message, unbase64(sent)) {
			return badSignature
		}
		return fine
	}
}

// withPassphrase adds to check that sent is the key's passphrase.
func withPassphrase(sent string, check func(source.Key) fault) func(source.Key) fault {
	return func(key source.Key) fault {
		if f := check(key); f != fine {
			return f
		}
		if !hmac.Equal([]byte(key.Extra["passphrase"].Expose()), []byte(sent)) {
			return badPassphrase
		}
		return fine
	}
}
