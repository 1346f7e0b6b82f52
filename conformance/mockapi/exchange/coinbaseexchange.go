package exchange

import (
	"crypto/sha256"
	"time"
)

// https://docs.cdp.coinbase.com/exchange/rest-api/authentication
var coinbaseExchange = venue{
	name: "coinbaseexchange", kinds: []Kind{HMAC}, base64: true, passphrase: true, orderID: "rk-", window: 30 * time.Second,
	credentials: []string{"CB-ACCESS-KEY", "CB-ACCESS-SIGN", "CB-ACCESS-PASSPHRASE"},
	read:        readCoinbaseExchange,
	actions: map[actionKind]action{
		place: {
			method: "POST", path: "/orders", in: inJSON, id: "client_oid",
			params: "product_id=BTC-USD&side=buy&type=limit&price=20000&size=0.001",
			reply:  `{"id":"1","client_oid":"{id}","status":"pending"}`,
		},
		cancel: {method: "DELETE", path: "/orders/client:{id}", reply: `["{id}"]`},
		read:   {method: "GET", path: "/accounts", reply: `[]`},
	},
	answers: answers{
		badKey:        {401, `{"message":"Invalid API Key"}`},
		badSignature:  {401, `{"message":"invalid signature"}`},
		badPassphrase: {401, `{"message":"Invalid Passphrase"}`},
		stale:         {400, `{"message":"request timestamp expired"}`},
		forbidden:     {403, `{"message":"Forbidden"}`},
		locked:        {429, `{"message":"Public rate limit exceeded"}`},
	},
}

func readCoinbaseExchange(q *request) claim {
	ts := q.header("CB-ACCESS-TIMESTAMP")
	n, ok := number(ts)
	if !ok {
		return claim{}
	}
	message := ts + q.Method + q.target + q.body
	return claim{
		id: q.header("CB-ACCESS-KEY"), late: q.distance(time.Unix(n, 0)),
		check: withPassphrase(q.header("CB-ACCESS-PASSPHRASE"),
			macOf(sha256.New, true, unbase64(q.header("CB-ACCESS-SIGN")), message)),
	}
}
