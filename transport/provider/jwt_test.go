package provider_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"reflect"
	"strings"
	"testing"
)

// tokenOf verifies the signature of a request's token by key, a public key or the bytes
// of a shared secret. It returns the header and the claims.
func tokenOf(t *testing.T, req *http.Request, key any) (header, claims map[string]any) {
	t.Helper()
	token, ok := strings.CutPrefix(req.Header.Get("Authorization"), "Bearer ")
	parts := strings.Split(token, ".")
	if !ok || len(parts) != 3 {
		t.Fatalf("%q is no bearer token", req.Header.Get("Authorization"))
	}
	var raw [3][]byte
	for i, part := range parts {
		var err error
		if raw[i], err = base64.RawURLEncoding.DecodeString(part); err != nil {
			t.Fatal(err)
		}
	}
	message, sum := []byte(parts[0]+"."+parts[1]), raw[2]
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		digest := sha256.Sum256(message)
		ok = len(sum) == 64 && ecdsa.Verify(key, digest[:], new(big.Int).SetBytes(sum[:32]), new(big.Int).SetBytes(sum[32:]))
	case ed25519.PublicKey:
		ok = ed25519.Verify(key, message, sum)
	case []byte:
		h := hmac.New(sha512.New, key)
		h.Write(message)
		ok = hmac.Equal(sum, h.Sum(nil))
	}
	if !ok {
		t.Error("the signature does not verify")
	}
	for i, into := range []*map[string]any{&header, &claims} {
		if err := json.Unmarshal(raw[i], into); err != nil {
			t.Fatal(err)
		}
	}
	return header, claims
}

// A token is signed by a shared secret, and the API has no header of its own.
func TestOutsideUpbit(t *testing.T) {
	key := pair(base64Secret)
	req := newRequest(t, "GET", "https://api.example.com/v1/accounts", "", "")
	sign(t, outsideUpbit().Scheme, key, req)
	header, claims := tokenOf(t, req, []byte(base64Secret))
	if !reflect.DeepEqual(header, map[string]any{"alg": "HS512", "typ": "JWT"}) || claims["access_key"] != key.ID || len(claims) != 2 {
		t.Errorf("header %v, claims %v", header, claims)
	}
}
