package provider

import (
	"crypto/sha512"
	"encoding/hex"
	"net/http"
	"time"

	"github.com/rollingkeys/rollingkeys/transport"
)

// Bitfinex returns the profile of Bitfinex's v2 API. Nonces are microseconds. Requests
// are sent one at a time, because Bitfinex refuses a nonce that arrives out of order.
// Its refusals have status 500.
//
// https://docs.bitfinex.com/docs/rest-auth
func Bitfinex(opts ...Option) Profile {
	p := Signing{
		Name: "bitfinex", Hash: sha512.New384, Encode: hex.AppendEncode, NonceUnit: time.Microsecond,
		Traits:  transport.Traits{Sequential: true},
		Message: []Part{Text("/api"), Path, Nonce, Body},
		Headers: []Header{{"bfx-nonce", Nonce}, {"bfx-apikey", ID}, {"bfx-signature", Signature}},
	}.Profile(opts...)
	p.Origins = []string{"https://api.bitfinex.com"}
	p.Classifier = bitfinexRefusal
	return p
}

// An error is ["error", code, message].
var bitfinexCode = Codes("1", map[transport.Verdict][]string{
	transport.RefusedUnapplied: {"10100"},
	transport.ClockSkew:        {"10114"},
	transport.Inconclusive:     {"10001", "11010", "20060"},
}, 400, 401, 403, 500)

// bitfinexRefusal treats code 10100, named "auth fail" in Bitfinex's own clients, as a
// refusal of the key if the message is "apikey: invalid" or "apikey: digest invalid".
// With another message it may be about something else. A success has any other form than
// an error, whatever the status.
func bitfinexRefusal(a *transport.Answer) transport.Verdict {
	verdict := bitfinexCode(a)
	if verdict == transport.Passed && a.Status < http.StatusBadRequest && Lookup(a.Body(), "0") == "error" {
		return transport.Inconclusive // F158
	}
	if verdict != transport.RefusedUnapplied {
		return verdict
	}
	switch Lookup(a.Body(), "2") {
	case "apikey: invalid", "apikey: digest invalid":
		return verdict
	}
	return transport.Ambiguous
}
