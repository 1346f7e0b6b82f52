package exchange

import (
	"crypto/sha512"

	"github.com/rollingkeys/rollingkeys/source"
)

// https://docs.gemini.com/rest-api/#private-api-invocation
var gemini = venue{
	name: "gemini", kinds: []Kind{HMAC}, orderID: "rk-",
	credentials: []string{"X-GEMINI-APIKEY", "X-GEMINI-SIGNATURE"},
	read:        readGemini,
	payload:     func(q *request) string { return string(unbase64(q.header("X-GEMINI-PAYLOAD"))) },
	actions: map[actionKind]action{
		place: {
			method: "POST", path: "/v1/order/new", in: inJSON, id: "client_order_id",
			params: "symbol=btcusd&amount=0.001&price=20000&side=buy&type=exchange+limit",
			reply:  `{"order_id":"1","client_order_id":"{id}","is_live":true}`,
		},
		// This mock uses the client order ID as order ID.
		cancel: {
			method: "POST", path: "/v1/order/cancel", in: inJSON, id: "order_id",
			reply: `{"order_id":"1","client_order_id":"{id}","is_cancelled":true}`,
		},
		read: {method: "POST", path: "/v1/balances", in: inJSON, reply: `[]`},
	},
	answers: answers{
		missing:      {400, `{"result":"error","reason":"MissingApikeyHeader","message":"Must provide 'X-GEMINI-APIKEY' header"}`},
		badKey:       {400, `{"result":"error","reason":"InvalidApiKey","message":"Invalid API key"}`},
		badSignature: {400, `{"result":"error","reason":"InvalidSignature","message":"InvalidSignature"}`},
		badNonce:     {400, `{"result":"error","reason":"InvalidNonce","message":"Nonce has not increased since your last call"}`},
		forbidden:    {403, `{"result":"error","reason":"MissingRole","message":"To access this endpoint, the key needs another role"}`},
		locked:       {429, `{"result":"error","reason":"RateLimit","message":"Requests were made too frequently"}`},
	},
}

func readGemini(q *request) claim {
	payload := q.header("X-GEMINI-PAYLOAD")
	fields := object(string(unbase64(payload)))
	nonce, ok := nonceOf(textOf(fields["nonce"]))
	if !ok || q.body != "" {
		return claim{}
	}
	signature := macOf(sha512.New384, false, unhex(q.header("X-GEMINI-SIGNATURE")), payload)
	return claim{
		id: q.header("X-GEMINI-APIKEY"), nonce: nonce, hasNonce: true,
		check: func(key source.Key) fault {
			if fields["request"] != q.path {
				return badSignature // signed for another endpoint
			}
			return signature(key)
		},
	}
}
