package provider

import (
	"bytes"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"

	"github.com/rollingkeys/rollingkeys/transport"
)

// Gemini returns the profile of Gemini's REST API (the exchange). The caller's body is
// empty or a JSON object with the request's parameters. The scheme sends it in a
// header, with "request" and "nonce" as its first fields unless it has them, and sends
// an empty body. Nonces are milliseconds. Requests are sent one at a time, because
// Gemini refuses a nonce that arrives out of order. For keys with a time-based nonce use
// [TimeNonce].
//
// https://docs.gemini.com/rest-api/#private-api-invocation
func Gemini(opts ...Option) Profile {
	p := Signing{
		Name: "gemini", Hash: sha512.New384, Encode: hex.AppendEncode, NonceUnit: time.Millisecond,
		Traits:  transport.Traits{Sequential: true},
		Before:  geminiFields,
		Message: []Part{func(dst []byte, c *Call) []byte { return base64.StdEncoding.AppendEncode(dst, c.Body()) }},
		After: func(c *Call) error {
			c.SetBody(nil, "")
			c.Request.Header["Content-Type"] = []string{"text/plain"}
			return nil
		},
		Headers: []Header{{"X-GEMINI-APIKEY", ID}, {"X-GEMINI-SIGNATURE", Signature}, {"X-GEMINI-PAYLOAD", Message}},
	}.Profile(opts...)
	p.Origins = []string{"https://api.gemini.com"}
	p.Classifier = Codes("reason", map[transport.Verdict][]string{
		transport.RefusedUnapplied: {"InvalidSignature", "InvalidApiKey"},
		transport.ClockSkew:        {"InvalidNonce"},
		transport.Inconclusive:     {"MissingRole", "RateLimit*", "Maintenance", "System"},
	}, 400, 401, 403)
	return p
}

// geminiFields adds the two fields to the object.
func geminiFields(c *Call) error {
	switch body := bytes.TrimSpace(c.Body()); {
	case len(body) == 0:
		c.SetBody([]byte("{}"), "application/json")
	case body[0] != '{':
		return errors.New("the body is not a JSON object with the request's parameters")
	}
	c.AddField("nonce", Nonce)
	c.AddField("request", geminiRequest) // before the nonce
	return nil
}

// geminiRequest appends the target of the request as JSON.
func geminiRequest(dst []byte, c *Call) []byte {
	target, _ := json.Marshal(c.Value(Target))
	return append(dst, target...)
}
