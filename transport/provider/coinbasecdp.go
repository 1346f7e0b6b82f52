package provider

import (
	"cmp"

	"github.com/rollingkeys/rollingkeys/transport"
)

// CoinbaseCDP returns the profile of Coinbase's Advanced Trade API, with keys of the
// Coinbase Developer Platform. A key's ID is its name, "organizations/.../apiKeys/..."
// or a UUID. Its Secret is one of two: an EC private key on P-256 in a PEM block, which
// signs with ES256; or an Ed25519 key, 32 or 64 bytes in base64 or in PEM, which signs
// with EdDSA. The PEM block may be on one line with \n for the line breaks, as CI and
// files of variables force it.
//
// Each attempt carries its own JWT (RFC 7519). It is valid only for that method, host
// and path, and for two minutes, the longest time that Coinbase allows. A 401 refuses
// the key. It gives no reason, so a wrong clock looks like a wrong key, and
// [LearnClock] has no effect.
//
// https://docs.cdp.coinbase.com/get-started/authentication/jwt-authentication
func CoinbaseCDP(opts ...Option) Profile {
	p := Signing{
		Name: "coinbasecdp", ES256: true, Ed25519: true,
		Traits:  transport.Traits{Prefix: "Bearer "},
		Headers: []Header{{"Authorization", Join(Text("Bearer "), JWT(coinbaseToken))}},
	}.Profile(opts...)
	p.Origins = []string{"https://api.coinbase.com"}
	p.Classifier = transport.RFC6750
	return p
}

func coinbaseToken(c *Call) (header, claims map[string]any) {
	id, from, host := c.Value(ID), c.Time.Unix(), cmp.Or(c.Request.Host, c.Request.URL.Host)
	return map[string]any{"kid": id, "nonce": c.Value(Random)}, map[string]any{
		"sub": id, "iss": "cdp", "nbf": from, "exp": from + 120, "uri": c.Value(Method, Text(" "), Text(host), Path),
	}
}
