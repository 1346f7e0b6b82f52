package exchange

import (
	"crypto/sha256"
	"net/http"
	"strings"
	"time"
)

// https://www.okx.com/docs-v5/en/#overview-rest-authentication
// https://www.okx.com/docs-v5/en/#error-code
var okx = venue{
	name: "okx", kinds: []Kind{HMAC}, passphrase: true, orderID: "rk", window: 30 * time.Second,
	credentials: []string{"OK-ACCESS-KEY", "OK-ACCESS-SIGN", "OK-ACCESS-PASSPHRASE"},
	read:        readOKX, login: loginOKX, message: messageOKX,
	actions: map[actionKind]action{
		place: {
			method: "POST", path: "/api/v5/trade/order", in: inJSON, id: "clOrdId",
			params: "instId=BTC-USDT&tdMode=cash&side=buy&ordType=limit&px=20000&sz=0.001",
			reply:  `{"code":"0","msg":"","data":[{"ordId":"1","clOrdId":"{id}","sCode":"0"}]}`,
		},
		cancel: {
			method: "POST", path: "/api/v5/trade/cancel-order", in: inJSON, id: "clOrdId", params: "instId=BTC-USDT",
			reply: `{"code":"0","msg":"","data":[{"clOrdId":"{id}","sCode":"0"}]}`,
		},
		read: {method: "GET", path: "/api/v5/account/balance", params: "ccy=BTC,USDT", reply: `{"code":"0","msg":"","data":[]}`},
	},
	answers: answers{
		missing:       {401, `{"msg":"Request header OK-ACCESS-KEY can not be empty.","code":"50103"}`},
		badKey:        {401, `{"msg":"Invalid OK-ACCESS-KEY","code":"50111"}`},
		badSignature:  {401, `{"msg":"Invalid Sign","code":"50113"}`},
		badPassphrase: {401, `{"msg":"Request header OK-ACCESS-PASSPHRASE incorrect.","code":"50105"}`},
		stale:         {401, `{"msg":"Timestamp request expired","code":"50102"}`},
		forbidden:     {401, `{"msg":"This API key does not have permission to use this function","code":"50120"}`},
		locked:        {429, `{"msg":"Too Many Requests","code":"50011"}`},
	},
}

func readOKX(q *request) claim {
	ts := q.header("OK-ACCESS-TIMESTAMP")
	t, err := time.Parse("2006-01-02T15:04:05.000Z", ts)
	if err != nil {
		return claim{}
	}
	message := ts + q.Method + q.target + q.body
	return claim{
		id: q.header("OK-ACCESS-KEY"), late: q.distance(t),
		check: withPassphrase(q.header("OK-ACCESS-PASSPHRASE"),
			macOf(sha256.New, false, unbase64(q.header("OK-ACCESS-SIGN")), message)),
	}
}

// https://www.okx.com/docs-v5/en/#overview-websocket-login
func loginOKX(q *request) claim {
	message := object(q.body)
	args, _ := message["args"].([]any)
	if message["op"] != "login" || len(args) != 1 {
		return claim{}
	}
	arg, _ := args[0].(map[string]any)
	ts := textOf(arg["timestamp"])
	n, ok := number(ts)
	if !ok {
		return claim{}
	}
	return claim{
		id: textOf(arg["apiKey"]), late: q.distance(time.Unix(n, 0)),
		check: withPassphrase(textOf(arg["passphrase"]),
			macOf(sha256.New, false, unbase64(textOf(arg["sign"])), ts+"GET/users/self/verify")),
	}
}

// https://www.okx.com/docs-v5/en/#error-code-websocket
func messageOKX(status int, body string) string {
	if status == http.StatusOK {
		return `{"event":"login","code":"0","msg":""}`
	}
	message := `{"event":"error",` + body[1:]
	for rest, own := range map[string]string{"50103": "60009", "50111": "60005", "50113": "60007", "50105": "60024", "50102": "60006"} {
		message = strings.Replace(message, rest, own, 1)
	}
	return message
}
