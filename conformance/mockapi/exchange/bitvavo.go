package exchange

import (
	"crypto/sha256"
	"time"
)

// Bitvavo refuses keys with 403. It has no profile in transport/provider; the tests
// use it for a profile that users could write.
//
// https://docs.bitvavo.com/docs/authentication
// https://docs.bitvavo.com/docs/errors
var bitvavo = venue{
	name: "bitvavo", kinds: []Kind{HMAC}, orderID: "rk-", window: 10 * time.Second,
	credentials: []string{"Bitvavo-Access-Key", "Bitvavo-Access-Signature"},
	read:        readBitvavo,
	actions: map[actionKind]action{
		place: {
			method: "POST", path: "/v2/order", in: inJSON, id: "clientOrderId",
			params: "market=BTC-EUR&side=buy&orderType=limit&amount=0.001&price=20000",
			reply:  `{"orderId":"1","clientOrderId":"{id}","status":"new"}`,
		},
		cancel: {
			method: "DELETE", path: "/v2/order", in: inQuery, id: "clientOrderId", params: "market=BTC-EUR",
			reply: `{"orderId":"1","clientOrderId":"{id}"}`,
		},
		read: {method: "GET", path: "/v2/balance", params: "symbol=BTC", reply: `[]`},
	},
	answers: answers{
		badKey:       {403, `{"errorCode":305,"error":"No active API key found."}`},
		badSignature: {403, `{"errorCode":309,"error":"The signature is invalid."}`},
		stale:        {403, `{"errorCode":304,"error":"Request was not received within acceptable window."}`},
		forbidden:    {403, `{"errorCode":311,"error":"This key does not allow this action."}`},
		locked:       {403, `{"errorCode":105,"error":"Your IP or API key has been banned."}`},
	},
}

func readBitvavo(q *request) claim {
	ts := q.header("Bitvavo-Access-Timestamp")
	n, ok := number(ts)
	if !ok {
		return claim{}
	}
	return claim{
		id: q.header("Bitvavo-Access-Key"), late: q.distance(time.UnixMilli(n)),
		check: macOf(sha256.New, false, unhex(q.header("Bitvavo-Access-Signature")), ts+q.Method+q.target+q.body),
	}
}
