package exchange

import "crypto/sha512"

// https://docs.bitfinex.com/docs/rest-auth
var bitfinex = venue{
	name: "bitfinex", kinds: []Kind{HMAC}, orderID: "0",
	credentials: []string{"bfx-apikey", "bfx-signature"},
	read:        readBitfinex,
	actions: map[actionKind]action{
		place: {
			method: "POST", path: "/v2/auth/w/order/submit", in: inJSON, id: "cid",
			params: "type=EXCHANGE+LIMIT&symbol=tBTCUSD&price=20000&amount=0.001",
			reply:  `[1,"on-req",null,null,[[1,null,{id},"tBTCUSD"]],null,"SUCCESS","Submitting 1 orders."]`,
		},
		cancel: {
			method: "POST", path: "/v2/auth/w/order/cancel", in: inJSON, id: "cid", params: "cid_date=2026-11-23",
			reply: `[1,"oc-req",null,null,[1,null,{id},"tBTCUSD"],null,"SUCCESS","Submitted for cancellation."]`,
		},
		read: {method: "POST", path: "/v2/auth/r/wallets", in: inJSON, reply: `[]`},
	},
	answers: answers{
		badKey:       {500, `["error",10100,"apikey: invalid"]`},
		badSignature: {500, `["error",10100,"apikey: digest invalid"]`},
		badNonce:     {500, `["error",10114,"nonce: small"]`},
		forbidden:    {500, `["error",10001,"action: permission denied"]`}, // documented as a generic error code
		locked:       {429, `["error",11010,"ratelimit: error"]`},
	},
}

func readBitfinex(q *request) claim {
	text := q.header("bfx-nonce")
	nonce, ok := nonceOf(text)
	if !ok {
		return claim{}
	}
	return claim{
		id: q.header("bfx-apikey"), nonce: nonce, hasNonce: true,
		check: macOf(sha512.New384, false, unhex(q.header("bfx-signature")), "/api"+q.path+text+q.body),
	}
}
