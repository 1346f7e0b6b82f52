package exchange

import (
	"crypto/sha512"
	"encoding/hex"
	"net/url"
	"time"
)

// https://www.gate.com/docs/developers/apiv4/en/#authentication
var gate = venue{
	name: "gate", kinds: []Kind{HMAC}, orderID: "t-rk-", window: time.Minute,
	credentials: []string{"KEY", "SIGN"},
	read:        readGate,
	actions: map[actionKind]action{
		place: {
			method: "POST", path: "/api/v4/spot/orders", in: inJSON, id: "text",
			params: "currency_pair=BTC_USDT&side=buy&type=limit&amount=0.001&price=20000",
			reply:  `{"id":"1","text":"{id}","status":"open"}`,
		},
		cancel: {
			method: "DELETE", path: "/api/v4/spot/orders/{id}", params: "currency_pair=BTC_USDT",
			reply: `{"id":"1","text":"{id}","status":"cancelled"}`,
		},
		read: {method: "GET", path: "/api/v4/spot/accounts", params: "currency=BTC%2CUSDT", reply: `[]`},
	},
	answers: answers{
		missing:      {401, `{"label":"MISSING_REQUIRED_HEADER","message":"Missing required header: KEY"}`},
		badKey:       {401, `{"label":"INVALID_KEY","message":"Invalid key provided"}`},
		badSignature: {401, `{"label":"INVALID_SIGNATURE","message":"Signature mismatch"}`},
		stale:        {403, `{"label":"REQUEST_EXPIRED","message":"gap between request Timestamp and server time exceeds 60"}`},
		forbidden:    {403, `{"label":"READ_ONLY","message":"Request API key does not have write permission"}`},
		locked:       {403, `{"label":"ACCOUNT_LOCKED","message":"Account locked"}`},
	},
}

func readGate(q *request) claim {
	ts := q.header("Timestamp")
	n, ok := number(ts)
	path, err1 := url.PathUnescape(q.path)
	query, err2 := url.QueryUnescape(q.query)
	if !ok || err1 != nil || err2 != nil {
		return claim{}
	}
	sum := sha512.Sum512([]byte(q.body))
	message := q.Method + "\n" + path + "\n" + query + "\n" + hex.EncodeToString(sum[:]) + "\n" + ts
	return claim{
		id: q.header("KEY"), late: q.distance(time.Unix(n, 0)),
		check: macOf(sha512.New, false, unhex(q.header("SIGN")), message),
	}
}
