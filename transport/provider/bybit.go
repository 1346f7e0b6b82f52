package provider

import (
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/rollingkeys/rollingkeys/transport"
)

const bybitWindow = "X-Bapi-Recv-Window"

// Bybit signs requests to Bybit's v5 API. The secret decides how: text signs
// with HMAC-SHA256, a PEM block with RSA. The X-BAPI-RECV-WINDOW header is 5000
// (milliseconds) unless the caller sets it.
//
// https://bybit-exchange.github.io/docs/v5/guide
func Bybit(opts ...Option) Profile {
	window := []string{"5000"}
	d := newScheme(Signing{
		Name: "bybit", Hash: sha256.New, Encode: Hex, RSA: true,
		Before: func(c *Call) error {
			if c.Request.Header.Get(bybitWindow) == "" {
				c.Request.Header[bybitWindow] = window
			}
			return nil
		},
		Message: []Part{Millis, ID, bybitReceive, bybitPayload},
		Headers: []Header{{"X-BAPI-API-KEY", ID}, {"X-BAPI-TIMESTAMP", Millis}, {"X-BAPI-SIGN", Signature}},
	}, opts)
	return Profile{
		Name: d.Name, Scheme: d,
		Origins: []string{"https://api.bybit.com", "https://api.bytick.com"},
		// https://bybit-exchange.github.io/docs/v5/error. Most come with status 200.
		Classifier: unless(Codes("retCode", map[transport.Verdict][]string{
			transport.RefusedUnapplied: {"10003", "10004", "10007", "33004"},
			transport.ClockSkew:        {"10002"},
			// Rates, permissions, addresses, bans, and servers that are busy.
			transport.Inconclusive: {"10000", "10005", "10006", "10008", "10009", "10010", "10016", "10018", "10019", "10024", "10027",
				"10028", "10029", "10429"},
		}, 200, 401), `{"retCode":0,`),
		Login: d.login(bybitLogin),
	}
}

func bybitReceive(dst []byte, c *Call) []byte {
	return append(dst, c.Request.Header.Get(bybitWindow)...)
}

// bybitPayload is the query of a GET, and the body of everything else.
func bybitPayload(dst []byte, c *Call) []byte {
	if c.Request.Method == http.MethodGet || c.Request.Method == "" {
		return Query(dst, c)
	}
	return Body(dst, c)
}

// bybitLogin signs the time until which the login is good.
// https://bybit-exchange.github.io/docs/v5/ws/connect
func bybitLogin(s *signer, now time.Time) ([]byte, error) {
	expires := now.Add(10 * time.Second).UnixMilli()
	signature, err := s.text("GET/realtime" + strconv.FormatInt(expires, 10))
	if err != nil {
		return nil, err
	}
	return json.Marshal(struct {
		Op   string `json:"op"`
		Args []any  `json:"args"`
	}{"auth", []any{s.id, expires, signature}})
}
