package provider

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/rollingkeys/rollingkeys/transport"
)

const bybitWindow = "X-Bapi-Recv-Window"

// Bybit returns the profile of Bybit's v5 API. The form of the secret decides how it
// signs: a PEM block with RSA, any other text with HMAC-SHA256. The X-BAPI-RECV-WINDOW
// header is 5000 (milliseconds), unless the caller sets it.
//
// https://bybit-exchange.github.io/docs/v5/guide
func Bybit(opts ...Option) Profile {
	window := []string{"5000"}
	p := Signing{
		Name: "bybit", Hash: sha256.New, Encode: hex.AppendEncode, RSA: true,
		Before: func(c *Call) error {
			if c.Request.Header.Get(bybitWindow) == "" {
				c.Request.Header[bybitWindow] = window
			}
			return nil
		},
		Message: []Part{Millis, ID, bybitReceive, bybitPayload},
		Headers: []Header{{"X-BAPI-API-KEY", ID}, {"X-BAPI-TIMESTAMP", Millis}, {"X-BAPI-SIGN", Signature}},
		Login:   bybitLogin,
	}.Profile(opts...)
	p.Origins = []string{"https://api.bybit.com", "https://api.bytick.com"}
	// Most errors have status 200. Checked on 2026-07-24.
	// https://bybit-exchange.github.io/docs/v5/error
	p.Classifier = Success("retCode", []string{"0"}, Codes("retCode", map[transport.Verdict][]string{
		transport.RefusedUnapplied: {"10003", "10004", "10007", "33004", "-2015"},
		transport.ClockSkew:        {"10002", "-1"},
		// Rates, permissions, addresses, regions, bans, busy servers.
		transport.Inconclusive: {"429", "10000", "10005", "10006", "10008", "10009", "10010", "10016", "10017", "10018", "10019", "10024",
			"10027", "10028", "10029", "10429", "100028"},
	}, 200, 401))
	p.LoginVerdict = bybitVerdict(p.Classifier)
	return p
}

func bybitReceive(dst []byte, c *Call) []byte {
	return append(dst, c.Request.Header.Get(bybitWindow)...)
}

// bybitPayload is the query of a GET and the body of any other request.
func bybitPayload(dst []byte, c *Call) []byte {
	if c.Request.Method == http.MethodGet || c.Request.Method == "" {
		return Query(dst, c)
	}
	return Body(dst, c)
}

// bybitLogin signs the time at which the login message expires.
// https://bybit-exchange.github.io/docs/v5/ws/connect
func bybitLogin(c *Call) ([]byte, error) {
	expires := c.Time.Add(10 * time.Second).UnixMilli()
	return json.Marshal(struct {
		Op   string `json:"op"`
		Args []any  `json:"args"`
	}{"auth", []any{c.Value(ID), expires, c.Value(Signed(Text("GET/realtime" + strconv.FormatInt(expires, 10))))}})
}

// bybitVerdict reads the answer to auth: of the stream for orders, which has a code, or of
// the private stream, which has none.
// https://bybit-exchange.github.io/docs/v5/websocket/trade/guideline
func bybitVerdict(c transport.Classifier) func([]byte) (transport.Verdict, bool) {
	return func(message []byte) (transport.Verdict, bool) {
		var m struct {
			Op      string `json:"op"`
			Success *bool  `json:"success"`
			Code    *int   `json:"retCode"`
		}
		switch err := json.Unmarshal(message, &m); {
		case err != nil, m.Op != "auth", m.Success == nil && m.Code == nil:
			return 0, false
		case m.Success != nil && *m.Success, m.Code != nil && *m.Code == 0:
			return transport.Passed, true
		case m.Code == nil:
			return transport.Ambiguous, true // the text does not say whether it is about the key
		}
		return FailedLogin(c, 200, message)
	}
}
