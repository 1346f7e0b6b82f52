package exchange

import (
	"crypto/ed25519"
	"encoding/base64"
	"strings"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
)

// https://docs.cdp.coinbase.com/get-started/authentication/jwt-authentication
var coinbaseCDP = venue{
	name: "coinbasecdp", kinds: []Kind{ECDSA, Ed25519}, base64: true, idPrefix: "organizations/o/apiKeys/", orderID: "rk-",
	credentials: []string{"Authorization"},
	read:        readCoinbaseCDP,
	actions: map[actionKind]action{
		place: {
			method: "POST", path: "/api/v3/brokerage/orders", in: inJSON, id: "client_order_id", params: "product_id=BTC-USD&side=BUY",
			reply: `{"success":true,"success_response":{"order_id":"{id}","client_order_id":"{id}"}}`,
		},
		// This mock uses the client order ID as order ID.
		cancel: {
			method: "POST", path: "/api/v3/brokerage/orders/batch_cancel", in: inJSON, id: "order_ids[]",
			reply: `{"results":[{"success":true,"order_id":"{id}"}]}`,
		},
		read: {method: "GET", path: "/api/v3/brokerage/accounts", reply: `{"accounts":[]}`},
	},
	answers: answers{
		badKey:    {401, "Unauthorized\n"}, // for all faults, a wrong time too
		forbidden: {403, `{"error":"PERMISSION_DENIED","message":"Missing required scopes"}`},
		locked:    {429, `{"error":"RESOURCE_EXHAUSTED","message":"too many requests"}`},
	},
}

// readCoinbaseCDP reads a JWT (RFC 7519) in its compact form.
func readCoinbaseCDP(q *request) claim {
	token, ok := strings.CutPrefix(q.header("Authorization"), "Bearer ")
	parts := strings.Split(token, ".")
	if !ok || len(parts) != 3 {
		return claim{}
	}
	header, claims := object(string(unbase64url(parts[0]))), object(string(unbase64url(parts[1])))
	id := textOf(header["kid"])
	begin, ok1 := number(textOf(claims["nbf"]))
	end, ok2 := number(textOf(claims["exp"]))
	from, until := time.Unix(begin, 0), time.Unix(end, 0)
	nonce, alg := textOf(header["nonce"]), textOf(header["alg"])
	if !ok1 || !ok2 || nonce == "" {
		return claim{}
	}
	return claim{
		id: id, once: id + " " + nonce,
		// nbf is rounded down to seconds, so it is never ahead of a right clock.
		late: q.at.Before(from) || !q.at.Before(until) || until.Sub(from) > 2*time.Minute,
		check: func(key source.Key) fault {
			if textOf(claims["sub"]) != id || claims["iss"] != "cdp" || claims["uri"] != q.Method+" "+q.Host+q.path {
				return badSignature
			}
			public, want := publicOf(key), "ES256"
			if raw := unbase64(key.Secret.Expose()); len(raw) == ed25519.PrivateKeySize {
				public, want = ed25519.PrivateKey(raw).Public(), "EdDSA"
			} else if _, ok := public.(ed25519.PublicKey); ok {
				want = "EdDSA"
			}
			if alg != want || !verify(public, parts[0]+"."+parts[1], unbase64url(parts[2])) {
				return badSignature
			}
			return fine
		},
	}
}

// unbase64url decodes the base64url of JWTs (RFC 7515 section 2); nil if s is invalid.
func unbase64url(s string) []byte {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return nil
	}
	return b
}
