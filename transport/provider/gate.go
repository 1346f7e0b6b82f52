package provider

import (
	"crypto/sha512"
	"encoding/hex"

	"github.com/rollingkeys/rollingkeys/transport"
)

// Gate returns the profile of Gate's v4 API. The signature covers the decoded path and
// query, as in Gate's own client.
//
// https://www.gate.com/docs/developers/apiv4/en/#authentication
func Gate(opts ...Option) Profile {
	newline := Text("\n")
	p := Signing{
		Name: "gate", Hash: sha512.New, Encode: hex.AppendEncode,
		Message: []Part{Method, newline, DecodedPath, newline, DecodedQuery, newline, gateBody, newline, Seconds},
		Headers: []Header{{"KEY", ID}, {"Timestamp", Seconds}, {"SIGN", Signature}},
	}.Profile(opts...)
	p.Origins = []string{"https://api.gateio.ws"}
	p.Classifier = Codes("label", map[transport.Verdict][]string{
		transport.RefusedUnapplied: {"INVALID_KEY", "INVALID_CREDENTIALS", "AUTHENTICATION_FAILED", "INVALID_SIGNATURE"},
		transport.ClockSkew:        {"REQUEST_EXPIRED"},
		transport.Inconclusive: {"IP_FORBIDDEN", "READ_ONLY", "FORBIDDEN", "ACCOUNT_LOCKED", "SUB_ACCOUNT_LOCKED",
			"TOO_MANY_REQUESTS", "TOO_FAST", "TOO_BUSY", "SERVER_ERROR"},
	}, 400, 401, 403)
	return p
}

func gateBody(dst []byte, c *Call) []byte {
	sum := sha512.Sum512(c.Body())
	return hex.AppendEncode(dst, sum[:])
}
