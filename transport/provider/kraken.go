package provider

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/rollingkeys/rollingkeys/transport"
)

// Kraken returns the profile of Kraken's spot API. Requests below /public/ are sent
// without the key. Requests that are neither there nor below /private/ fail, and nothing
// is sent: futures.kraken.com wants another signature.
//
// The scheme adds the nonce as the first field of the form or JSON object in the body,
// unless the body has one. An empty body becomes a form. Nonces are milliseconds: see
// [NonceUnit] for keys that were used with larger nonces. Requests are sent one at a
// time, because Kraken refuses nonces that arrive out of order and locks the account
// for it. If the keys have a nonce window, use [NonceWindow] to send requests
// concurrently.
//
// https://docs.kraken.com/api/docs/guides/spot-rest-auth
func Kraken(opts ...Option) Profile {
	p := Signing{
		Name: "kraken", Hash: sha512.New, Decode: base64.StdEncoding.DecodeString, Encode: base64.StdEncoding.AppendEncode,
		NonceUnit: time.Millisecond,
		Traits: transport.Traits{
			Sequential: true,
			NeedsKey:   func(req *http.Request) bool { return !strings.Contains(req.URL.Path, "/public/") },
		},
		Replaces: []string{"nonce"},
		Before:   krakenNonce,
		Message:  []Part{Path, krakenDigest},
		Headers:  []Header{{"API-Key", ID}, {"API-Sign", Signature}},
	}.Profile(opts...)
	p.Origins, p.Lockout = []string{"https://api.kraken.com"}, true
	// Kraken refuses with status 200. Warnings may come before the error.
	// https://docs.kraken.com/api/docs/guides/spot-errors
	// Categories of errors: https://support.kraken.com/articles/360001491786-api-error-messages
	p.Classifier = Success("result", nil, Codes("error.*", map[transport.Verdict][]string{
		transport.RefusedUnapplied: {"EAPI:Invalid key", "EAPI:Invalid signature"},
		transport.ClockSkew:        {"EAPI:Invalid nonce"},
		transport.Inconclusive:     {"E*"},
	}, 200))
	return p
}

func krakenNonce(c *Call) error {
	if !strings.Contains(c.Value(Path), "/private/") { // F166
		return errors.New("the path is neither public nor private in Kraken's spot API (/0/public/..., /0/private/...): " +
			"this profile does not sign for Kraken Futures")
	}
	if c.Request.Method != http.MethodPost {
		return errors.New("Kraken takes private requests by POST only: change the method")
	}
	c.AddField("nonce", Nonce)
	return nil
}

// krakenDigest appends the SHA-256 of the nonce and the body.
func krakenDigest(dst []byte, c *Call) []byte {
	h := sha256.New()
	h.Write([]byte(c.Field("nonce")))
	h.Write(c.Body())
	return h.Sum(dst)
}
