package provider

import (
	"crypto/sha512"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/rollingkeys/rollingkeys/transport"
)

// Gemini signs requests to Gemini's REST API (the exchange). The caller's body
// is the JSON object of the request's parameters, or empty; it travels in a
// header, with "request" and "nonce" as its first fields unless it has them, and
// the body that is sent is empty. Nonces are milliseconds, and requests go one at
// a time, as Gemini refuses a nonce that arrives out of order.
//
// https://docs.gemini.com/rest-api/#private-api-invocation
func Gemini(opts ...Option) Profile {
	return Profile{
		Name: "gemini",
		Scheme: Signing{
			Name: "gemini", Hash: sha512.New384, Encode: Hex, NonceUnit: time.Millisecond,
			Traits:  transport.Traits{Sequential: true},
			Message: []Part{geminiPayload},
			After: func(c *Call) error {
				c.SetBody(nil)
				c.Request.Header["Content-Type"] = []string{"text/plain"}
				return nil
			},
			Headers: []Header{
				{"X-GEMINI-APIKEY", ID}, {"X-GEMINI-SIGNATURE", Signature},
				{"X-GEMINI-PAYLOAD", func(dst []byte, c *Call) []byte { return append(dst, c.Message()...) }},
			},
		}.Scheme(opts...),
		Classifier: Codes("reason", map[transport.Verdict][]string{
			transport.RefusedUnapplied: {"InvalidSignature", "InvalidApiKey"},
			transport.ClockSkew:        {"InvalidNonce"},
			transport.Inconclusive:     {"MissingRole", "RateLimit*", "Maintenance", "System"},
		}, 400, 401, 403),
		Origins: []string{"https://api.gemini.com"},
	}
}

// geminiPayload is the object in base64.
func geminiPayload(dst []byte, c *Call) []byte {
	body := c.Body()
	if len(body) == 0 {
		body = []byte("{}")
	}
	if !isObject(body) {
		c.fail(errors.New("the body is not a JSON object"))
		return dst
	}
	var fields string
	if lookup(body, "request") == "" {
		target, _ := json.Marshal(string(Target(nil, c)))
		fields = `"request":` + string(target)
	}
	if lookup(body, "nonce") == "" {
		if fields != "" {
			fields += ","
		}
		fields += `"nonce":` + strconv.FormatUint(c.Nonce(), 10)
	}
	if fields != "" {
		body = prepend(body, fields)
	}
	return Base64(dst, body)
}
