package exchange

import (
	"crypto/sha256"
	"net/http"
	"strings"
	"time"
)

// https://docs.deribit.com/articles/authentication
var deribit = venue{
	name: "deribit", kinds: []Kind{HMAC}, orderID: "rk-", window: time.Minute,
	credentials: []string{"Authorization"},
	read:        readDeribit, login: loginDeribit, message: messageDeribit,
	actions: map[actionKind]action{
		place: {
			method: "GET", path: "/api/v2/private/buy", id: "label",
			params: "instrument_name=BTC-PERPETUAL&amount=10&type=limit&price=20000",
			reply:  `{"jsonrpc":"2.0","result":{"order":{"order_id":"1","label":"{id}"}}}`,
		},
		cancel: {
			method: "GET", path: "/api/v2/private/cancel_by_label", id: "label",
			reply: `{"jsonrpc":"2.0","result":1,"label":"{id}"}`,
		},
		read: {method: "GET", path: "/api/v2/private/get_account_summary", params: "currency=BTC", reply: `{"jsonrpc":"2.0","result":{}}`},
	},
	answers: answers{
		missing:   {400, `{"jsonrpc":"2.0","error":{"message":"authorization_required","code":13778}}`},
		badKey:    {400, `{"jsonrpc":"2.0","error":{"message":"invalid_credentials","code":13004}}`},
		forbidden: {403, `{"jsonrpc":"2.0","error":{"message":"forbidden","code":13021}}`},
		locked:    {429, `{"jsonrpc":"2.0","error":{"message":"too_many_requests","code":10028}}`},
		// Deribit does not document its answer to an old timestamp or a used nonce.
		// This is its answer to an invalid request.
		stale: {400, `{"jsonrpc":"2.0","error":{"message":"bad_request","code":11050}}`},
	},
}

func readDeribit(q *request) claim {
	text, ok := strings.CutPrefix(q.header("Authorization"), "deri-hmac-sha256 ")
	fields := make(map[string]string)
	for part := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		fields[name] = value
	}
	n, ok2 := number(fields["ts"])
	if !ok || !ok2 || fields["nonce"] == "" {
		return claim{}
	}
	message := fields["ts"] + "\n" + fields["nonce"] + "\n" + q.Method + "\n" + q.target + "\n" + q.body + "\n"
	return claim{
		id: fields["id"], once: fields["id"] + " " + fields["nonce"], late: q.distance(time.UnixMilli(n)),
		check: macOf(sha256.New, false, unhex(fields["sig"]), message),
	}
}

func loginDeribit(q *request) claim {
	message := object(q.body)
	params, _ := message["params"].(map[string]any)
	ts, nonce := textOf(params["timestamp"]), textOf(params["nonce"])
	n, ok := number(ts)
	if message["method"] != "public/auth" || params["grant_type"] != "client_signature" || !ok || nonce == "" {
		return claim{}
	}
	return claim{
		id: textOf(params["client_id"]), once: textOf(params["client_id"]) + " " + nonce, late: q.distance(time.UnixMilli(n)),
		check: macOf(sha256.New, false, unhex(textOf(params["signature"])), ts+"\n"+nonce+"\n"+textOf(params["data"])),
	}
}

// https://docs.deribit.com/articles/json-rpc-overview
func messageDeribit(status int, body string) string {
	if status == http.StatusOK {
		return `{"jsonrpc":"2.0","id":1,"result":{}}`
	}
	return `{"id":1,` + body[1:]
}
