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

// Binance returns the profile of Binance's spot, margin, futures, options and portfolio
// margin APIs. The form of
// the secret decides how it signs: a PEM block with Ed25519 or RSA, any other text with
// HMAC-SHA256.
//
// The parameters are in the query or in a form body, percent-encoded and in the
// caller's order. The scheme appends a timestamp in milliseconds, unless there is one,
// and the signature: to the body if there is one, else to the query. For a recvWindow
// other than 5000 ms the caller adds that parameter.
//
// Requests that Binance documents as public are sent without the key, because Binance
// refuses parameters that it does not expect. Requests that need the key but no
// signature (user data streams, historical trades) get only the header. For endpoints that
// Binance has added since, use transport.WithoutKey.
//
// Binance answers -2015 to a key that is revoked or not yet active, and also to a
// forbidden address or a missing permission. So the request is tried once with another
// key, and the source is read once for a new key. After a few such answers in a row
// that another key did not change, as from an endpoint without permission, neither is
// done for up to a minute. One case remains: if the old key is revoked before the
// source has the new one, requests fail with -2015 until it has. So use an overlap.
//
// Login is session.logon, which takes only Ed25519 keys. A connection would take another
// session.logon; [Profile.Session] makes another connection, on which a refusal costs
// nothing.
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
		"https://papi.binance.com", "https://eapi.binance.com",
	}
	// The spot page was checked on 2026-07-21. -2008 is the answer of /sapi/, -2017 that of
	// futures, by reports (?): the pages for them were not read.
	// https://developers.binance.com/docs/binance-spot-api-docs/errors
	// https://developers.binance.com/docs/wallet/error-code
	// https://developers.binance.com/docs/derivatives/usds-margined-futures/error-code
	p.Classifier = Codes("code", map[transport.Verdict][]string{
		transport.RefusedUnapplied: {"-2008", "-2014", "-1022"},
		transport.Ambiguous:        {"-2015"}, // the key, the address or the permission
		transport.ClockSkew:        {"-1021"},
		transport.Inconclusive:     {"-1000", "-1001", "-1003", "-1006", "-1007", "-1008", "-1015", "-1016", "-2017"},
	}, 400, 401)
	p.LoginVerdict = binanceVerdict(p.Classifier)
	return p
}

// binanceMessage is the query followed directly by the body, as Binance wants them,
// with the timestamp at the end of the last that is not empty.
func binanceMessage(dst []byte, c *Call) []byte {
	body := c.Form()
	dst = Query(dst, c)
	inQuery, signed := binanceParams(dst)
	inBody, signedBody := binanceParams(body)
	if signed || signedBody {
		c.Fail(errors.New("the request already has a signature: remove it, or use transport.WithOverride"))
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

// binanceParams reports whether a query or form already has a timestamp or a signature.
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
	if binanceUnsigned(c.Value(DecodedPath)) {
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

// binanceSigned is the message with its signature. The signature of a private key is in
// base64.
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

// binancePublic reports whether an endpoint's security type is NONE. Checked on 2026-07-21
// for spot. For market data of futures and options the official Go client was read on
// 2026-11-30, which does not sign these; system/status, papi/v1/ping and the listenKeys of
// papi and eapi are from reports (?).
// https://developers.binance.com/docs/binance-spot-api-docs/rest-api/market-data-endpoints
// https://github.com/binance/binance-connector-go
func binancePublic(path string) bool {
	if strings.HasPrefix(path, "/futures/data/") {
		return true
	}
	switch path {
	case "/sapi/v1/system/status", "/papi/v1/ping", "/eapi/v1/mark", "/eapi/v1/index", "/eapi/v1/exerciseHistory", "/eapi/v1/blockTrades":
		return true
	}
	api, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	_, rest, _ = strings.Cut(rest, "/") // the version
	switch api {
	case "api", "fapi", "dapi", "eapi":
	default:
		return false
	}
	if strings.HasPrefix(rest, "ticker/") {
		return true
	}
	switch rest {
	case "ping", "time", "exchangeInfo", "depth", "trades", "aggTrades", "klines", "uiKlines", "avgPrice", "ticker",
		"continuousKlines", "indexPriceKlines", "markPriceKlines", "premiumIndexKlines", "premiumIndex", "fundingRate",
		"fundingInfo", "openInterest", "indexInfo", "assetIndex", "constituents",
		"executionRules", "referencePrice", "referencePrice/calculation", "historicalBlockTrades", // spot, 2026
		"symbolAdlRisk", "insuranceBalance", "rpiDepth", "tradingSchedule": // futures
		return true
	}
	return false
}

// binanceUnsigned reports whether an endpoint's security type is USER_STREAM or
// MARKET_DATA: these need the key in the header but no signature.
func binanceUnsigned(path string) bool {
	switch path {
	case "/api/v3/userDataStream", "/api/v3/historicalTrades", "/fapi/v1/historicalTrades", "/dapi/v1/historicalTrades",
		"/fapi/v1/listenKey", "/dapi/v1/listenKey", "/papi/v1/listenKey", "/eapi/v1/listenKey", "/eapi/v1/historicalTrades", "/sapi/v1/userDataStream", "/sapi/v1/userDataStream/isolated",
		"/sapi/v1/margin/allAssets", "/sapi/v1/margin/allPairs", "/sapi/v1/margin/asset", "/sapi/v1/margin/pair",
		"/sapi/v1/margin/priceIndex":
		return true
	}
	return false
}

// binanceLoginID is the id of the session.logon message and of its answer.
const binanceLoginID = "login"

// binanceLogin returns the session.logon message. It signs its parameters, sorted by
// name, in the form of a query.
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
	}{binanceLoginID, "session.logon", params{c.Value(ID), c.Value(Signed(Text("apiKey="), ID, Text("&timestamp="), Millis)), c.Time.UnixMilli()}})
}

// binanceVerdict reads the answer to session.logon. Its error is that of the REST API. An
// answer without an id ends the session of a key that was revoked.
// https://developers.binance.com/docs/binance-spot-api-docs/websocket-api/session-authentication
func binanceVerdict(c transport.Classifier) func([]byte) (transport.Verdict, bool) {
	return func(message []byte) (transport.Verdict, bool) {
		var m struct {
			ID     *string         `json:"id"`
			Status int             `json:"status"`
			Error  json.RawMessage `json:"error"`
		}
		switch err := json.Unmarshal(message, &m); {
		case err != nil, m.Status == 0, m.ID != nil && *m.ID != binanceLoginID:
			return 0, false
		case m.Status == 200:
			return transport.Passed, m.ID != nil
		}
		return FailedLogin(c, m.Status, m.Error)
	}
}
