package provider

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/internal/query"
)

// Binance signs requests to Binance's spot, margin and futures APIs. The secret
// decides how: text signs with HMAC-SHA256, a PEM block with Ed25519 or RSA.
//
// The parameters stand in the query or in a form body, percent-encoded and in
// the caller's order. A timestamp in milliseconds is appended unless there is
// one, and the signature comes last: in the body where there is one, else in the
// query. A caller who wants a recvWindow other than 5000 ms adds it himself.
//
// Requests that Binance documents as public go out without the key, as it
// refuses parameters that it does not expect; those that want the key but no
// signature (user data streams, historical trades) get the header alone.
//
// Binance answers -2015 to a key that is dead or not known yet, and also to an
// address or a permission that it lacks. So it is tried once with another key, and
// the source is read for one, without waiting; after a few such answers in a row in
// vain, as an endpoint without permission gives them, there is neither for up to a
// minute at a time. What remains: where the old key dies before the new one is at
// the source, requests get -2015 until it is. Leave an overlap.
//
// Login is session.logon, which takes Ed25519 keys only.
//
// https://developers.binance.com/docs/binance-spot-api-docs/rest-api/request-security
func Binance(opts ...Option) Profile {
	p := Signing{
		Name: "binance", Hash: sha256.New, Encode: hex.AppendEncode, RSA: true, Ed25519: true,
		Traits:   transport.Traits{NeedsKey: func(req *http.Request) bool { return !binancePublic(req.URL.Path) }},
		Replaces: []string{"timestamp", "signature"},
		Message:  []Part{binanceMessage},
		After:    binanceSignature,
		Headers:  []Header{{"X-MBX-APIKEY", ID}},
		Login:    binanceLogin,
	}.Profile(opts...)
	p.Origins = []string{
		"https://api.binance.com", "https://api-gcp.binance.com", "https://api1.binance.com", "https://api2.binance.com",
		"https://api3.binance.com", "https://api4.binance.com", "https://fapi.binance.com", "https://dapi.binance.com",
	}
	// https://developers.binance.com/docs/binance-spot-api-docs/errors
	p.Classifier = Codes("code", map[transport.Verdict][]string{
		transport.RefusedUnapplied: {"-2014", "-1022"},
		transport.Ambiguous:        {"-2015"}, // the key, the address or the permission
		transport.ClockSkew:        {"-1021"},
		transport.Inconclusive:     {"-1000", "-1001", "-1003", "-1006", "-1007", "-1008", "-1015", "-1016"},
	}, 400, 401)
	return p
}

// binanceMessage is the query and the body with nothing between them, as
// Binance takes them, and the timestamp at the end of whichever is the last.
func binanceMessage(dst []byte, c *Call) []byte {
	body := c.Form()
	dst = Query(dst, c)
	inQuery, signed := binanceParams(dst)
	inBody, signedBody := binanceParams(body)
	if signed || signedBody {
		c.Fail(errors.New("the request has a signature already"))
	}
	dst = append(dst, body...)
	if !inQuery && !inBody {
		if len(dst) > 0 {
			dst = append(dst, '&')
		}
		dst = Millis(append(dst, "timestamp="...), c)
	}
	return dst
}

// binanceParams reports which of the two parameters that Binance adds a query or
// form has already.
func binanceParams(raw []byte) (timestamp, signature bool) {
	const size = len("timestamp")
	for {
		if len(raw) > size && raw[size] == '=' {
			switch string(raw[:size]) {
			case "timestamp":
				timestamp = true
			case "signature":
				signature = true
			}
		}
		next := bytes.IndexByte(raw, '&')
		if next < 0 {
			return timestamp, signature
		}
		raw = raw[next+1:]
	}
}

func binanceSignature(c *Call) error {
	if binanceUnsigned(c.Request.URL.Path) {
		return nil
	}
	if len(c.Body()) == 0 {
		c.SetQuery(c.Value(binanceSigned))
		return nil
	}
	signed := binanceSigned(nil, c)
	c.SetBody(signed[len(c.Request.URL.RawQuery):], query.FormType)
	return nil
}

// binanceSigned is the message and its signature, which is in base64 if the key is a
// private one.
func binanceSigned(dst []byte, c *Call) []byte {
	dst = append(Message(dst, c), "&signature="...)
	from := len(dst)
	dst = Signature(dst, c)
	for _, special := range []byte("+/=") {
		if bytes.IndexByte(dst[from:], special) >= 0 {
			return append(dst[:from], url.QueryEscape(string(dst[from:]))...)
		}
	}
	return dst
}

// binancePublic reports whether an endpoint's security type is NONE.
func binancePublic(path string) bool {
	if strings.HasPrefix(path, "/futures/data/") {
		return true
	}
	api, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	_, rest, _ = strings.Cut(rest, "/") // the version
	switch api {
	case "api", "fapi", "dapi":
	default:
		return false
	}
	if strings.HasPrefix(rest, "ticker/") {
		return true
	}
	switch rest {
	case "ping", "time", "exchangeInfo", "depth", "trades", "aggTrades", "klines", "uiKlines", "avgPrice", "ticker",
		"continuousKlines", "indexPriceKlines", "markPriceKlines", "premiumIndexKlines", "premiumIndex", "fundingRate",
		"fundingInfo", "openInterest", "indexInfo", "assetIndex", "constituents":
		return true
	}
	return false
}

// binanceUnsigned reports whether an endpoint's security type is USER_STREAM or
// MARKET_DATA: the key in the header, no signature.
func binanceUnsigned(path string) bool {
	switch path {
	case "/api/v3/userDataStream", "/api/v3/historicalTrades", "/fapi/v1/historicalTrades", "/dapi/v1/historicalTrades",
		"/fapi/v1/listenKey", "/dapi/v1/listenKey", "/sapi/v1/userDataStream", "/sapi/v1/userDataStream/isolated",
		"/sapi/v1/margin/allAssets", "/sapi/v1/margin/allPairs", "/sapi/v1/margin/asset", "/sapi/v1/margin/pair",
		"/sapi/v1/margin/priceIndex":
		return true
	}
	return false
}

// binanceLogin is session.logon. What is signed are its parameters, sorted by
// name, as a query.
// https://developers.binance.com/docs/binance-spot-api-docs/websocket-api/authentication-requests
func binanceLogin(c *Call) ([]byte, error) {
	if c.Value(Algorithm) != "EdDSA" {
		return nil, fmt.Errorf("%w: session.logon takes Ed25519 keys only", source.ErrUnusable)
	}
	type params struct {
		APIKey    string `json:"apiKey"`
		Signature string `json:"signature"`
		Timestamp int64  `json:"timestamp"`
	}
	return json.Marshal(struct {
		ID     string `json:"id"`
		Method string `json:"method"`
		Params params `json:"params"`
	}{"login", "session.logon", params{c.Value(ID), c.Value(Signed(Text("apiKey="), ID, Text("&timestamp="), Millis)), c.Time.UnixMilli()}})
}
