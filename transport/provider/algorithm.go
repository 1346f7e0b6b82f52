package provider

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"strings"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport/internal/mac"
)

// An algorithm signs messages with one key. It is safe for concurrent use.
type algorithm struct {
	name   string                                    // the name in JSON Web Signatures: see Algorithm
	sign   func(dst, message []byte) ([]byte, error) // appends the signature to dst
	encode func(dst, sum []byte) []byte
}

// algorithm returns the algorithm for the secret. Its errors do not contain the errors
// of the parsers, which may quote the secret.
func (s *Signing) algorithm(secret source.Secret) (algorithm, error) {
	text := strings.TrimSpace(secret.Expose())
	a := algorithm{encode: base64.StdEncoding.AppendEncode}
	var private any
	var err error
	switch {
	case strings.Contains(text, "-----BEGIN"): // F144: also in quotes or after other text
		if !s.RSA && !s.RSAPSS && !s.Ed25519 && !s.ES256 {
			return a, unusable("its secret is a private key: the API takes shared secrets only")
		}
		private, err = parsePEM(text)
	case s.Hash == nil && s.Ed25519:
		private, err = parseEd25519(text)
	default:
		return s.shared(secret)
	}
	if err != nil {
		return a, err
	}
	switch key := private.(type) {
	case ed25519.PrivateKey:
		if s.Ed25519 {
			a.name = "EdDSA"
			a.sign = func(dst, message []byte) ([]byte, error) { return append(dst, ed25519.Sign(key, message)...), nil }
		}
	case *rsa.PrivateKey:
		switch {
		case s.RSAPSS:
			a.name, a.sign = "PS256", func(dst, message []byte) ([]byte, error) {
				digest := sha256.Sum256(message)
				sum, err := rsa.SignPSS(rand.Reader, key, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
				return append(dst, sum...), err
			}
		case s.RSA:
			a.name, a.sign = "RS256", func(dst, message []byte) ([]byte, error) {
				digest := sha256.Sum256(message)
				sum, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:])
				return append(dst, sum...), err
			}
		}
	case *ecdsa.PrivateKey:
		if s.ES256 && key.Curve == elliptic.P256() {
			a.name, a.sign = "ES256", func(dst, message []byte) ([]byte, error) {
				digest := sha256.Sum256(message)
				r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
				if err != nil {
					return dst, err
				}
				var sum [64]byte
				r.FillBytes(sum[:32])
				s.FillBytes(sum[32:])
				return append(dst, sum[:]...), nil
			}
		}
	}
	if a.sign == nil {
		return a, unusable("the API does not take private keys of its kind")
	}
	// Only signing shows that a key is too small or inconsistent.
	if _, err := a.sign(nil, nil); err != nil {
		return a, unusable("its private key cannot sign")
	}
	return a, nil
}

// shared returns the HMAC algorithm for a shared secret.
func (s *Signing) shared(secret source.Secret) (algorithm, error) {
	if s.Hash == nil || s.Encode == nil {
		return algorithm{}, unusable("the scheme takes no shared secrets: Signing has no Hash or no Encode")
	}
	m, err := mac.New(s.Hash, s.Decode, secret)
	if err != nil {
		return algorithm{}, err
	}
	return algorithm{
		name:   fmt.Sprintf("HS%d", 8*s.Hash().Size()),
		sign:   func(dst, message []byte) ([]byte, error) { return m.Append(dst, message), nil },
		encode: s.Encode,
	}, nil
}

// parsePEM returns the private key in text, which [source.PEM] decodes.
func parsePEM(text string) (any, error) {
	set, err := source.PEM([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", source.ErrUnusable, err)
	}
	block, _ := pem.Decode([]byte(set.Keys[0].Secret.Expose()))
	var key any
	switch block.Type {
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	}
	if err != nil {
		return nil, unusable("its PEM block is not a private key in PKCS #8, PKCS #1 or SEC 1 form without a password")
	}
	return key, nil
}

// parseEd25519 returns the key in text, in base64: its seed, its seed and public key, or a
// private key in PKCS #8 form.
func parseEd25519(text string) (any, error) {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err == nil {
		if key, err := x509.ParsePKCS8PrivateKey(raw); err == nil { // F164
			return key, nil
		}
	}
	if err != nil || len(raw) != ed25519.SeedSize && len(raw) != ed25519.PrivateKeySize {
		return nil, unusable("its secret is neither a PEM block nor base64 of 32 or 64 bytes or of a PKCS #8 key")
	}
	key := ed25519.NewKeyFromSeed(raw[:ed25519.SeedSize])
	if len(raw) == ed25519.PrivateKeySize && !key.Equal(ed25519.PrivateKey(raw)) {
		return nil, unusable("its Ed25519 key has a public key that does not match its seed")
	}
	return key, nil
}

func unusable(why string) error { return fmt.Errorf("%w: %s", source.ErrUnusable, why) }
