package exchange

import (
	"crypto/sha256"
	"time"
)

// https://www.bitmex.com/app/apiKeysUsage
var bitmex = venue{
	name: "bitmex", kinds: []Kind{HMAC}, orderID: "rk-",
	credentials: []string{"api-key", "api-signature"},
	read:        readBitMEX,
	actions: map[actionKind]action{
		place: {
			method: "POST", path: "/api/v1/order", in: inJSON, id: "clOrdID", params: "symbol=XBTUSD&orderQty=100&price=20000&ordType=Limit",
			reply: `{"orderID":"1","clOrdID":"{id}","ordStatus":"New"}`,
		},
		cancel: {
			method: "DELETE", path: "/api/v1/order", in: inJSON, id: "clOrdID",
			reply: `[{"orderID":"1","clOrdID":"{id}","ordStatus":"Canceled"}]`,
		},
		read: {method: "GET", path: "/api/v1/user/margin", params: "currency=XBt", reply: `{"account":1}`},
	},
	answers: answers{
		badKey:       {401, `{"error":{"message":"Invalid API Key.","name":"HTTPError"}}`},
		badSignature: {401, `{"error":{"message":"Signature not valid.","name":"HTTPError"}}`},
		stale:        {401, "{\"error\":{\"message\":\"This request has expired - `expires` is in the past.\",\"name\":\"HTTPError\"}}"},
		forbidden:    {403, `{"error":{"message":"Access Denied","name":"HTTPError"}}`},
		locked:       {403, `{"error":{"message":"Forbidden","name":"HTTPError"}}`},
	},
}

func readBitMEX(q *request) claim {
	expires := q.header("api-expires")
	n, ok := number(expires)
	if !ok {
		return claim{}
	}
	return claim{
		id: q.header("api-key"), late: !q.at.Before(time.Unix(n, 0)),
		check: macOf(sha256.New, false, unhex(q.header("api-signature")), q.Method+q.target+expires+q.body),
	}
}
