package exchange

import (
	"crypto/sha256"
	"time"
)

// https://bybit-exchange.github.io/docs/v5/guide
// https://bybit-exchange.github.io/docs/v5/error
var bybit = venue{
	name: "bybit", kinds: []Kind{HMAC, RSA}, orderID: "rk-", window: 5 * time.Second,
	credentials: []string{"X-BAPI-API-KEY", "X-BAPI-SIGN"},
	read:        readBybit, login: loginBybit, message: messageBybit,
	actions: map[actionKind]action{
		place: {
			method: "POST", path: "/v5/order/create", in: inJSON, id: "orderLinkId",
			params: "category=spot&symbol=BTCUSDT&side=Buy&orderType=Limit&qty=0.001&price=20000",
			reply:  `{"retCode":0,"retMsg":"OK","result":{"orderId":"1","orderLinkId":"{id}"}}`,
		},
		cancel: {
			method: "POST", path: "/v5/order/cancel", in: inJSON, id: "orderLinkId", params: "category=spot&symbol=BTCUSDT",
			reply: `{"retCode":0,"retMsg":"OK","result":{"orderLinkId":"{id}"}}`,
		},
		read: {
			method: "GET", path: "/v5/account/wallet-balance", params: "accountType=UNIFIED&coin=BTC%2CUSDT",
			reply: `{"retCode":0,"retMsg":"OK","result":{"list":[]}}`,
		},
	},
	answers: answers{
		badKey:       {200, `{"retCode":10003,"retMsg":"API key is invalid.","result":{}}`},
		expired:      {200, `{"retCode":-2015,"retMsg":"Your api key has expired.","result":{}}`},
		badSignature: {200, `{"retCode":10004,"retMsg":"Error sign, please check your signature generation algorithm.","result":{}}`},
		stale:        {200, `{"retCode":10002,"retMsg":"The request time exceeds the time window range.","result":{}}`},
		forbidden:    {200, `{"retCode":10005,"retMsg":"Permission denied, please check your API key permissions.","result":{}}`},
		locked:       {403, `{"retCode":10018,"retMsg":"Exceeded the IP Rate Limit.","result":{}}`},
	},
}

func readBybit(q *request) claim {
	ts, window := q.header("X-BAPI-TIMESTAMP"), q.header("X-BAPI-RECV-WINDOW")
	n, ok := number(ts)
	if !ok {
		return claim{}
	}
	allowed := q.window
	if ms, ok := number(window); ok && ms > 0 {
		allowed = time.Duration(ms) * time.Millisecond
	}
	payload := q.body
	if q.Method == "GET" {
		payload = q.query
	}
	id := q.header("X-BAPI-API-KEY")
	return claim{
		id: id, late: q.received(time.UnixMilli(n), allowed),
		check: macOrPrivate(sha256.New, q.header("X-BAPI-SIGN"), ts+id+window+payload),
	}
}

// loginBybit reads an auth message, which has an expiry time.
// https://bybit-exchange.github.io/docs/v5/ws/connect
func loginBybit(q *request) claim {
	message := object(q.body)
	args, _ := message["args"].([]any)
	if message["op"] != "auth" || len(args) != 3 {
		return claim{}
	}
	expires := textOf(args[1])
	n, ok := number(expires)
	if !ok {
		return claim{}
	}
	return claim{
		id: textOf(args[0]), late: q.at.After(time.UnixMilli(n)),
		check: macOrPrivate(sha256.New, textOf(args[2]), "GET/realtime"+expires),
	}
}

// https://bybit-exchange.github.io/docs/v5/websocket/trade/guideline
func messageBybit(_ int, body string) string {
	if body == "{}" {
		return `{"retCode":0,"retMsg":"OK","op":"auth"}`
	}
	return `{"op":"auth",` + body[1:]
}
