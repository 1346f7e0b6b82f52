package provider

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
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
	return Profile{
		Name: "kraken",
		Scheme: Signing{
			Name: "kraken", Hash: sha512.New, Decode: base64.StdEncoding.DecodeString, Encode: Base64,
			NonceUnit: time.Millisecond,
			Traits: transport.Traits{
				Sequential: true,
				NeedsKey:   func(req *http.Request) bool { return strings.Contains(req.URL.Path, "/private/") },
			},
			Replaces: []string{"nonce"},
			Before:   krakenNonce,
			Message:  []Part{Path, krakenDigest},
			Headers:  []Header{{"API-Key", ID}, {"API-Sign", Signature}},
		}.Scheme(opts...),
		Classifier: krakenRefusal,
		Origins:    []string{"https://api.kraken.com"},
		Lockout:    true,
	}
}

func krakenNonce(c *Call) error {
	if c.Request.Method != http.MethodPost {
		return errors.New("private requests are sent with POST")
	}
	body := c.Body()
	nonce := func() string { return strconv.FormatUint(c.Nonce(), 10) }
	if isObject(body) {
		if lookup(body, "nonce") == "" {
			body = prepend(body, `"nonce":`+nonce())
			c.SetBody(body)
		}
		setType(c.Request, "application/json")
		return nil
	}
	if !isForm(c.Request) {
		return errors.New("the body is neither a form nor a JSON object")
	}
	if _, ok := param(body, "nonce"); !ok {
		field := "nonce=" + nonce()
		if len(body) > 0 {
			field += "&"
		}
		c.SetBody(append([]byte(field), body...))
	}
	setType(c.Request, formType)
	return nil
}

// krakenDigest is SHA-256 over the nonce and the body.
func krakenDigest(dst []byte, c *Call) []byte {
	body := c.Body()
	var nonce string
	if isObject(body) {
		nonce = lookup(body, "nonce")
	} else {
		value, _ := param(body, "nonce")
		nonce = string(value)
	}
	h := sha256.New()
	h.Write([]byte(nonce))
	h.Write(body)
	return h.Sum(dst)
}

// What the categories mean: https://support.kraken.com/articles/360001491786-api-error-messages
// An error about the order or the query says that the key is good.
var krakenErrors = newTexts(map[transport.Verdict][]string{
	transport.RefusedUnapplied: {"EAPI:Invalid key", "EAPI:Invalid signature"},
	transport.ClockSkew:        {"EAPI:Invalid nonce"},
	transport.Passed:           {"EOrder:*", "EQuery:*", "ETrade:*", "EFunding:*", "EGeneral:Invalid arguments*"},
	transport.Inconclusive:     {"E*"},
})

// krakenRefusal reads the list of errors in answers with status 200, where
// Kraken puts its refusals. https://docs.kraken.com/api/docs/guides/spot-errors
var krakenRefusal = unless(func(a *transport.Answer) transport.Verdict {
	if a.Status != http.StatusOK {
		return transport.RFC6750(a)
	}
	body := a.Body()
	for i := range 4 { // warnings may come before the error
		if verdict, ok := krakenErrors.verdict(lookup(body, "error", strconv.Itoa(i))); ok {
			return verdict
		}
	}
	return transport.Passed
}, `{"error":[]`)
