package provider

import (
	"cmp"

	"github.com/rollingkeys/rollingkeys/transport"
)

// CoinbaseCDP signs requests to Coinbase's Advanced Trade API with keys of the Coinbase
// Developer Platform. A key's ID is its name, "organizations/.../apiKeys/..." or a UUID.
// Its Secret is either a PEM block with an EC private key on P-256, which signs with
// ES256, or an Ed25519 key, in base64 of 32 or 64 bytes or in PEM, which signs with
// EdDSA. A PEM block on one line, with \n written out as in Coinbase's JSON files, will
// do.
//
// Each attempt carries a JWT of its own (RFC 7519), good for two minutes, the most that
// Coinbase takes, and for that method, host and path only. A 401 refuses the key; it
// gives no reason, so that a wrong clock cannot be told from a wrong key, and
// [LearnClock] learns nothing.
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
