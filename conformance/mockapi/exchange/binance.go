package exchange

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// https://developers.binance.com/docs/binance-spot-api-docs/rest-api/request-security
// https://developers.binance.com/docs/binance-spot-api-docs/errors
var binance = venue{
	name: "binance", kinds: []Kind{HMAC, Ed25519, RSA}, orderID: "rk-", window: 5 * time.Second,
	credentials: []string{"X-MBX-APIKEY"},
	read:        readBinance, login: loginBinance, message: messageBinance,
	actions: map[actionKind]action{
		place: {
			method: "POST", path: "/api/v3/order", in: inForm, id: "newClientOrderId",
			params: "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.001&price=20000",
			reply:  `{"symbol":"BTCUSDT","orderId":1,"clientOrderId":"{id}","status":"NEW"}`,
		},
		cancel: {
			method: "DELETE", path: "/api/v3/order", in: inQuery, id: "origClientOrderId", params: "symbol=BTCUSDT",
			reply: `{"symbol":"BTCUSDT","origClientOrderId":"{id}","status":"CANCELED"}`,
		},
		read: {method: "GET", path: "/api/v3/account", in: inQuery, reply: `{"canTrade":true,"balances":[]}`},
	},
	reads: []string{"/sapi/v1/account/status"},
	// /sapi/ does not know a key by the status 400.
	elsewhere: map[string]answers{"/sapi/": {badKey: {400, `{"code":-2008,"msg":"Invalid Api-Key ID."}`}}},
	answers: answers{
		missing: {401, `{"code":-2014,"msg":"API-key format invalid."}`},
		// Binance answers the same for unknown and deleted keys and for a missing
		// permission.
		badKey:       {401, `{"code":-2015,"msg":"Invalid API-key, IP, or permissions for action."}`},
		forbidden:    {401, `{"code":-2015,"msg":"Invalid API-key, IP, or permissions for action."}`},
		badSignature: {400, `{"code":-1022,"msg":"Signature for this request is not valid."}`},
		stale:        {400, `{"code":-1021,"msg":"Timestamp for this request is outside of the recvWindow."}`},
		locked:       {418, `{"code":-1003,"msg":"Way too many requests; IP banned."}`},
	},
}

func readBinance(q *request) claim {
	query, body := q.query, q.body
	// The signature is the last parameter of the body or, if the body has none, of
	// the query.
	at := &query
	if _, _, inBody := strings.Cut("&"+body, "&signature="); inBody {
		at = &body
	}
	rest, sent, _ := strings.Cut("&"+*at, "&signature=")
	*at = strings.TrimPrefix(rest, "&")
	signature, err := url.PathUnescape(sent) // PathUnescape keeps +
	if err != nil || sent == "" || strings.ContainsAny(sent, "&") {
		signature = ""
	}
	message := query + body
	both, _ := url.ParseQuery(query + "&" + body)
	window := q.window
	if n, ok := number(both.Get("recvWindow")); ok && n > 0 && n <= 60_000 {
		window = time.Duration(n) * time.Millisecond
	}
	ts, ok := number(both.Get("timestamp"))
	if !ok {
		return claim{}
	}
	t := time.UnixMilli(ts)
	if ts > 1e14 {
		t = time.UnixMicro(ts)
	}
	return claim{
		id: q.header("X-MBX-APIKEY"), late: q.received(t, window), check: macOrPrivate(sha256.New, signature, message),
	}
}

// loginBinance reads session.logon. The signature covers its parameters, sorted by
// name.
// https://developers.binance.com/docs/binance-spot-api-docs/websocket-api/authentication-requests
func loginBinance(q *request) claim {
	message := object(q.body)
	params, _ := message["params"].(map[string]any)
	id, ts := textOf(params["apiKey"]), textOf(params["timestamp"])
	n, ok := number(ts)
	if message["method"] != "session.logon" || !ok {
		return claim{}
	}
	return claim{
		id: id, late: q.received(time.UnixMilli(n), q.window),
		check: macOrPrivate(sha256.New, textOf(params["signature"]), "apiKey="+id+"&timestamp="+ts),
	}
}

// https://developers.binance.com/docs/binance-spot-api-docs/websocket-api/response-format
func messageBinance(status int, body string) string {
	if status == http.StatusOK {
		return `{"id":"login","status":200,"result":{}}`
	}
	return fmt.Sprintf(`{"id":"login","status":%d,"error":%s}`, status, body)
}
