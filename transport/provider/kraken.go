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

// Kraken signs requests to Kraken's spot API. Requests outside /private/ are
// public and go out without the key.
//
// The nonce is added as the first field of the form or JSON object in the body,
// unless the body has one; an empty body becomes a form. Nonces are
// milliseconds: see [NonceUnit] for keys that were used with larger ones. Requests
// go one at a time, since Kraken refuses nonces that arrive out of order, and locks
// out for it; with a nonce window on the keys, [NonceWindow] lets them go together.
//
// https://docs.kraken.com/api/docs/guides/spot-rest-auth
func Kraken(opts ...Option) Profile {
	p := Signing{
		Name: "kraken", Hash: sha512.New, Decode: base64.StdEncoding.DecodeString, Encode: base64.StdEncoding.AppendEncode,
		NonceUnit: time.Millisecond,
		Traits: transport.Traits{
			Sequential: true,
			NeedsKey:   func(req *http.Request) bool { return strings.Contains(req.URL.Path, "/private/") },
		},
		Replaces: []string{"nonce"},
		Before:   krakenNonce,
		Message:  []Part{Path, krakenDigest},
		Headers:  []Header{{"API-Key", ID}, {"API-Sign", Signature}},
	}.Profile(opts...)
	p.Origins, p.Lockout = []string{"https://api.kraken.com"}, true
	// Kraken puts its refusals in answers with status 200; warnings may come before the
	// error. https://docs.kraken.com/api/docs/guides/spot-errors
	// What the categories mean: https://support.kraken.com/articles/360001491786-api-error-messages
	// An error about the order or the query says that the key is good.
	p.Classifier = Codes("error.*", map[transport.Verdict][]string{
		transport.RefusedUnapplied: {"EAPI:Invalid key", "EAPI:Invalid signature"},
		transport.ClockSkew:        {"EAPI:Invalid nonce"},
		transport.Passed:           {"EOrder:*", "EQuery:*", "ETrade:*", "EFunding:*", "EGeneral:Invalid arguments*"},
		transport.Inconclusive:     {"E*"},
	}, 200)
	return p
}

func krakenNonce(c *Call) error {
	if c.Request.Method != http.MethodPost {
		return errors.New("private requests are sent with POST")
	}
	c.AddField("nonce", Nonce)
	return nil
}

// krakenDigest is SHA-256 over the nonce and the body.
func krakenDigest(dst []byte, c *Call) []byte {
	h := sha256.New()
	h.Write([]byte(c.Field("nonce")))
	h.Write(c.Body())
	return h.Sum(dst)
}
