package provider

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/rollingkeys/rollingkeys/transport"
)

// BitMEX returns the profile of BitMEX's API. A signature is valid for 30 s.
//
// https://www.bitmex.com/app/apiKeysUsage
func BitMEX(opts ...Option) Profile {
	expires := Expires(30 * time.Second)
	p := Signing{
		Name: "bitmex", Hash: sha256.New, Encode: hex.AppendEncode,
		Message: []Part{Method, Target, expires, Body},
		Headers: []Header{{"api-expires", expires}, {"api-key", ID}, {"api-signature", Signature}},
	}.Profile(opts...)
	p.Origins, p.Lockout = []string{"https://www.bitmex.com"}, true
	p.Classifier = Codes("error.message", map[transport.Verdict][]string{
		transport.RefusedUnapplied: {"Invalid API Key.", "Signature not valid."},
		transport.ClockSkew:        {"This request has expired*"},
	}, 400, 401)
	return p
}
