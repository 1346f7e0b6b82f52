package exchange

import (
	"crypto/hmac"
	"crypto/sha256"
	"net/url"
	"strings"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
)

// https://www.kucoin.com/docs-new/authentication
var kucoin = venue{
	name: "kucoin", kinds: []Kind{HMAC}, passphrase: true, orderID: "rk-", window: 5 * time.Second,
	credentials: []string{"KC-API-KEY", "KC-API-SIGN", "KC-API-PASSPHRASE"},
	read:        readKuCoin,
	actions: map[actionKind]action{
		place: {
			method: "POST", path: "/api/v1/orders", in: inJSON, id: "clientOid",
			params: "symbol=BTC-USDT&side=buy&type=limit&price=20000&size=0.001",
			reply:  `{"code":"200000","data":{"orderId":"1","clientOid":"{id}"}}`,
		},
		cancel: {
			method: "DELETE", path: "/api/v1/order/client-order/{id}",
			reply: `{"code":"200000","data":{"cancelledOrderId":"1","clientOid":"{id}"}}`,
		},
		read: {method: "GET", path: "/api/v1/accounts", params: "type=trade", reply: `{"code":"200000","data":[]}`},
	},
	answers: answers{
		missing:       {401, `{"code":"400001","msg":"Please check the header of your request for KC-API-KEY, KC-API-SIGN, KC-API-TIMESTAMP, KC-API-PASSPHRASE"}`},
		badKey:        {401, `{"code":"400003","msg":"KC-API-KEY not exists"}`},
		badSignature:  {401, `{"code":"400005","msg":"Invalid KC-API-SIGN"}`},
		badPassphrase: {401, `{"code":"400004","msg":"Invalid KC-API-PASSPHRASE"}`},
		stale:         {401, `{"code":"400002","msg":"Invalid KC-API-TIMESTAMP"}`},
		forbidden:     {403, `{"code":"400007","msg":"Access denied, require more permission."}`},
		locked:        {429, `{"code":"429000","msg":"Too Many Requests"}`},
	},
}

// readKuCoin uses the decoded URL, since KuCoin's documentation says: "the URL must
// use the content that has not been URL-encoded".
func readKuCoin(q *request) claim {
	ts := q.header("KC-API-TIMESTAMP")
	n, ok := number(ts)
	endpoint, err := url.QueryUnescape(strings.ReplaceAll(q.path, "+", "%2B"))
	if v := q.header("KC-API-KEY-VERSION"); !ok || err != nil || v != "2" && v != "3" {
		return claim{}
	}
	if q.query != "" {
		var parameters []string
		for text := range strings.SplitSeq(q.query, "&") {
			text, err := url.QueryUnescape(text)
			if err != nil {
				return claim{}
			}
			parameters = append(parameters, text)
		}
		endpoint += "?" + strings.Join(parameters, "&")
	}
	sent := q.header("KC-API-PASSPHRASE")
	signature := macOf(sha256.New, false, unbase64(q.header("KC-API-SIGN")), ts+q.Method+endpoint+q.body)
	return claim{
		id: q.header("KC-API-KEY"), late: q.distance(time.UnixMilli(n)),
		check: func(key source.Key) fault {
			if f := signature(key); f != fine {
				return f
			}
			// The header has the HMAC of the passphrase under the same secret.
			want := mac(sha256.New, sharedSecret(key, false), key.Extra["passphrase"].Expose())
			if !hmac.Equal(want, unbase64(sent)) {
				return badPassphrase
			}
			return fine
		},
	}
}
