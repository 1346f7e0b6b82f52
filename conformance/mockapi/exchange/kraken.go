package exchange

import (
	"crypto/sha256"
	"crypto/sha512"
	"net/url"
	"strings"
)

// https://docs.kraken.com/api/docs/guides/spot-rest-auth
// https://docs.kraken.com/api/docs/guides/spot-errors
var kraken = venue{
	name: "kraken", kinds: []Kind{HMAC}, base64: true, orderID: "rk-",
	credentials: []string{"API-Key", "API-Sign"},
	read:        readKraken,
	actions: map[actionKind]action{
		place: {
			method: "POST", path: "/0/private/AddOrder", in: inForm, id: "cl_ord_id",
			params: "pair=XBTUSD&type=buy&ordertype=limit&price=20000&volume=0.001",
			reply:  `{"error":[],"result":{"txid":["O1"],"cl_ord_id":"{id}"}}`,
		},
		cancel: {
			method: "POST", path: "/0/private/CancelOrder", in: inForm, id: "cl_ord_id",
			reply: `{"error":[],"result":{"count":1,"cl_ord_id":"{id}"}}`,
		},
		read: {method: "POST", path: "/0/private/Balance", in: inForm, reply: `{"error":[],"result":{}}`},
	},
	answers: answers{
		badKey:       {200, `{"error":["EAPI:Invalid key"]}`},
		badSignature: {200, `{"error":["EAPI:Invalid signature"]}`},
		badNonce:     {200, `{"error":["EAPI:Invalid nonce"]}`},
		forbidden:    {200, `{"error":["EGeneral:Permission denied"]}`},
		locked:       {200, `{"error":["EGeneral:Temporary lockout"]}`},
	},
}

func readKraken(q *request) claim {
	var text string
	if strings.HasPrefix(q.header("Content-Type"), "application/json") {
		text = textOf(object(q.body)["nonce"])
	} else if form, err := url.ParseQuery(q.body); err == nil {
		text = form.Get("nonce")
	}
	nonce, ok := nonceOf(text)
	if !ok {
		return claim{}
	}
	digest := sha256.Sum256([]byte(text + q.body))
	return claim{
		id: q.header("API-Key"), nonce: nonce, hasNonce: true,
		check: macOf(sha512.New, true, unbase64(q.header("API-Sign")), q.path+string(digest[:])),
	}
}
