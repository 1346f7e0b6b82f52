package provider

import (
	"crypto/sha512"
	"time"

	"github.com/rollingkeys/rollingkeys/transport"
)

// Bitfinex signs requests to Bitfinex's v2 API. Nonces are microseconds, and
// requests go one at a time, as Bitfinex refuses a nonce that arrives out of
// order. Its refusals come with status 500.
//
// https://docs.bitfinex.com/docs/rest-auth
func Bitfinex(opts ...Option) Profile {
	return Profile{
		Name: "bitfinex",
		Scheme: Signing{
			Name: "bitfinex", Hash: sha512.New384, Encode: Hex, NonceUnit: time.Microsecond, Serial: true,
			Message: []Part{Text("/api"), Path, Nonce, Body},
			Headers: []Header{{"bfx-nonce", Nonce}, {"bfx-apikey", ID}, {"bfx-signature", Signature}},
		}.Scheme(opts...),
		// An error is ["error", code, message].
		Classifier: Codes("1", map[transport.Verdict][]string{
			transport.RefusedUnapplied: {"10100"},
			transport.Clock:            {"10114"},
			transport.Silent:           {"10001", "11010", "20060"},
		}, 400, 401, 403, 500),
		Origins: []string{"https://api.bitfinex.com"},
		Overlap: defaultOverlap,
	}
}
