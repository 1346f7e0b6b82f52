// Package coinbasecdp signs requests to Coinbase's Advanced Trade API with keys of
// the Coinbase Developer Platform:
//
//	c, err := client.New(ctx, src, client.WithProvider(coinbasecdp.Profile()))
//
// A key's ID is its name, "organizations/.../apiKeys/..." or a UUID. Its Secret
// is either a PEM block with an EC private key on P-256 (SEC 1 or PKCS #8), which
// signs with ES256, or base64 of 32 or 64 bytes of an Ed25519 key, which signs with
// EdDSA. A PEM block on one line, with \n written out as in Coinbase's JSON files,
// will do.
//
// Each attempt carries a JWT of its own (RFC 7519), good for two minutes and for
// that method, host and path only.
//
// It is a module of its own, so that the core needs no JWT library.
package coinbasecdp

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

// lifetime is how long a token is good for, the most that Coinbase takes.
// https://docs.cdp.coinbase.com/get-started/authentication/jwt-authentication
const lifetime = 2 * time.Minute

// Profile returns what there is to know of the API. A 401 refuses the key; it
// gives no reason, so that a wrong clock cannot be told from a wrong key.
func Profile() provider.Profile {
	return provider.Profile{
		Name:       "coinbasecdp",
		Scheme:     scheme{},
		Classifier: transport.RFC6750,
		Origins:    []string{"https://api.coinbase.com"},
	}
}

type scheme struct{}

func (scheme) Traits() transport.Traits { return transport.Traits{Headers: []string{"Authorization"}} }

func (scheme) Prepare(key source.Key) (transport.Signer, error) {
	if key.ID == "" || strings.ContainsFunc(key.ID, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, unusable("its id is empty or not visible ASCII")
	}
	private, method, err := parse(key.Secret)
	if err != nil {
		return nil, err
	}
	id := key.ID
	return transport.SignerFunc(func(req *http.Request) error {
		token, err := sign(req, id, method, private)
		if err != nil {
			return fmt.Errorf("coinbasecdp: %w", err)
		}
		req.Header["Authorization"] = []string{"Bearer " + token}
		return nil
	}), nil
}

func sign(req *http.Request, id string, method jwt.SigningMethod, private crypto.Signer) (string, error) {
	host, path, verb := req.Host, req.URL.EscapedPath(), req.Method
	if host == "" {
		host = req.URL.Host
	}
	if path == "" {
		path = "/"
	}
	if verb == "" {
		verb = http.MethodGet
	}
	var nonce [16]byte
	rand.Read(nonce[:])
	now := time.Now()
	token := jwt.NewWithClaims(method, jwt.MapClaims{
		"sub": id, "iss": "cdp", "nbf": now.Unix(), "exp": now.Add(lifetime).Unix(), "uri": verb + " " + host + path,
	})
	token.Header["kid"] = id
	token.Header["nonce"] = hex.EncodeToString(nonce[:])
	return token.SignedString(private)
}

// parse reads a private key. Its errors are fixed texts: those of the parsers
// may hold some of what they parse.
func parse(secret source.Secret) (crypto.Signer, jwt.SigningMethod, error) {
	text := strings.TrimSpace(secret.Expose())
	if strings.HasPrefix(text, "-----BEGIN") {
		key, err := parsePEM(text)
		return key, jwt.SigningMethodES256, err
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(raw) != ed25519.SeedSize && len(raw) != ed25519.PrivateKeySize {
		return nil, nil, unusable("its secret is neither a PEM block nor base64 of 32 or 64 bytes")
	}
	key := ed25519.NewKeyFromSeed(raw[:ed25519.SeedSize])
	if len(raw) == ed25519.PrivateKeySize && !key.Equal(ed25519.PrivateKey(raw)) {
		return nil, nil, unusable("the halves of its Ed25519 key do not belong together")
	}
	return key, jwt.SigningMethodEdDSA, nil
}

func parsePEM(text string) (*ecdsa.PrivateKey, error) {
	if !strings.Contains(text, "\n") {
		text = strings.ReplaceAll(text, `\n`, "\n")
	}
	block, rest := pem.Decode([]byte(text))
	if block == nil || strings.TrimSpace(string(rest)) != "" {
		return nil, unusable("its PEM block is broken, or has text after it")
	}
	if key, err := x509.ParseECPrivateKey(block.Bytes); err == nil && key.Curve == elliptic.P256() {
		return key, nil
	}
	if parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
		if key, ok := parsed.(*ecdsa.PrivateKey); ok && key.Curve == elliptic.P256() {
			return key, nil
		}
	}
	return nil, unusable("its PEM block is no EC private key on P-256")
}

func unusable(why string) error {
	return fmt.Errorf("coinbasecdp: %w: %s", source.ErrUnusable, why)
}
