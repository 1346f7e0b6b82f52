package provider

import (
	"cmp"
	"time"

	"github.com/rollingkeys/rollingkeys/transport"
)

// CoinbaseCDP returns the profile of Coinbase's Advanced Trade API, with keys of the
// Coinbase Developer Platform. A key's ID is its name, "organizations/.../apiKeys/..."
// or a UUID. Its Secret is one of two: an EC private key on P-256 in a PEM block, which
// signs with ES256; or an Ed25519 key, which signs with EdDSA: 32 or 64 bytes in base64, or
// PKCS #8 in PEM or base64. The PEM block may be on one line with \n for the line breaks, as
// CI, files of variables and Coinbase's JSON files have it.
//
// Each attempt carries its own JWT (RFC 7519). It is valid only for that method, host
// and path, and for two minutes, the longest time that Coinbase allows: from one minute
// ago to one minute from now, so that a clock may be wrong by a minute. A 401 refuses the
// key. It gives no reason; if its Date header is further away, it is about the clock.
//
// https://docs.cdp.coinbase.com/get-started/authentication/jwt-authentication
func CoinbaseCDP(opts ...Option) Profile {
	p := Signing{
		Name: "coinbasecdp", ES256: true, Ed25519: true,
		Traits:  transport.Traits{Prefix: "Bearer "},
		Headers: []Header{{"Authorization", Join(Text("Bearer "), JWT(coinbaseToken))}},
	}.Profile(opts...)
	p.Origins = []string{"https://api.coinbase.com"}
	p.Classifier = Dated(p.Scheme, coinbaseLeeway, transport.RFC6750)
	return p
}

const coinbaseLeeway = time.Minute // F164

func coinbaseToken(c *Call) (header, claims map[string]any) {
	id, from, host := c.Value(ID), c.Time.Add(-coinbaseLeeway).Unix(), cmp.Or(c.Request.Host, c.Request.URL.Host)
	return map[string]any{"kid": id, "nonce": c.Value(Random)}, map[string]any{
		"sub": id, "iss": "cdp", "nbf": from, "exp": from + 120, "uri": c.Value(Method, Text(" "), Text(host), Path),
	}
}
