package provider_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

const (
	passed       = transport.Passed
	refused      = transport.Refused
	unapplied    = transport.RefusedUnapplied
	ambiguous    = transport.Ambiguous
	clock        = transport.ClockSkew
	inconclusive = transport.Inconclusive
)

type answer struct {
	status int
	body   string
	want   transport.Verdict
}

// codes makes one answer for each code.
func codes(status int, format string, want transport.Verdict, codes ...string) (answers []answer) {
	for _, c := range codes {
		answers = append(answers, answer{status, fmt.Sprintf(format, c), want})
	}
	return answers
}

func join(rows ...[]answer) (all []answer) {
	for _, r := range rows {
		all = append(all, r...)
	}
	return all
}

// refusals lists the answers that each API documents, both those about the key and
// others.
var refusals = map[string]struct {
	classify transport.Classifier
	answers  []answer
}{
	"binance": {provider.Binance().Classifier, join(
		codes(401, `{"code":%s,"msg":"x"}`, unapplied, "-2014"),
		codes(400, `{"code":%s,"msg":"x"}`, unapplied, "-1022", "-2008"), // F159
		codes(401, `{"code":%s,"msg":"x"}`, ambiguous, "-2015"),
		codes(400, `{"code":%s,"msg":"x"}`, clock, "-1021"),
		codes(429, `{"code":%s,"msg":"x"}`, passed, "-1003", "-1015"),
		codes(400, `{"code":%s,"msg":"x"}`, inconclusive, "-1003", "-1006", "-1007", "-1008", "-1015", "-2017"),
		codes(401, `{"code":%s,"msg":"x"}`, ambiguous, "-1002"),
		codes(400, `{"code":%s,"msg":"x"}`, passed, "-1100", "-2010"),
		codes(500, `{"code":%s,"msg":"x"}`, passed, "-1006", "-1007", "-2014"),
		[]answer{{401, "", refused}, {403, "<html>", passed}, {418, "", passed}, {503, "", passed}, {200, `{"code":-2014}`, passed}},
	)},
	"kraken": {provider.Kraken().Classifier, join(
		codes(200, `{"error":["%s"]}`, unapplied, "EAPI:Invalid key", "EAPI:Invalid signature"),
		codes(200, `{"error":["WGeneral:Warning","%s"]}`, unapplied, "EAPI:Invalid key"),
		codes(200, ` { "error" : [ "%s" ] , "result" : {} }`, unapplied, "EAPI:Invalid key"),
		codes(200, `{"error":["%s"]}`, clock, "EAPI:Invalid nonce"),
		codes(200, `{"error":["%s"]}`, inconclusive, "EGeneral:Permission denied", "EAPI:Rate limit exceeded", "EGeneral:Temporary lockout",
			"EService:Unavailable", "EService:Busy", "EService:Market in cancel_only mode", "EGeneral:Internal error", "EAuth:Account temporary disabled"),
		codes(200, `{"error":["WGeneral:Warning","%s"]}`, inconclusive, "EService:Busy"),
		codes(200, `{"error":["%s"]}`, inconclusive, "EOrder:Rate limit exceeded", "EOrder:Insufficient funds", "EQuery:Unknown asset pair",
			"EGeneral:Invalid arguments:volume", "WGeneral:Warning", "new error"),
		codes(200, `{"error":["%s"],"result":{}}`, passed, "WGeneral:Warning"),
		[]answer{
			{200, `{"error":[],"result":{"note":"EAPI:Invalid key"}}`, passed}, {200, `{"result":["EAPI:Invalid key"]}`, passed},
			{200, "", inconclusive}, {404, "<html>", inconclusive}, {500, `{"error":["EAPI:Invalid key"]}`, passed}, {401, "", refused},
		},
	)},
	"okx": {provider.OKX().Classifier, join(
		codes(401, `{"msg":"x","code":"%s"}`, unapplied, "50111", "50113", "50105", "50114", "50119"),
		codes(401, `{"msg":"x","code":"%s"}`, clock, "50102", "50112"),
		codes(401, `{"msg":"x","code":"%s"}`, inconclusive, "50110", "50103", "50104", "50106", "50107", "50101", "50100", "50011", "50061",
			"50108", "50109", "50115", "50116", "50117", "50118", "50120", "50121", "50007", "50012", "50027", "50029"),
		codes(401, `{"msg":"x","code":"%s"}`, ambiguous, "50199", "60099"), // not documented
		codes(200, `{"msg":"x","code":"%s"}`, inconclusive, "50011", "50030", "50061", "50062", "50120"),
		codes(200, `{"code":"%s","data":[{"sCode":"51008"}],"msg":""}`, passed, "0", "2"),
		codes(200, `{"code":"%s","data":[{"sCode":"51008"}],"msg":""}`, inconclusive, "1", "51000", "50199", ""),
		codes(400, `{"msg":"x","code":"%s"}`, inconclusive, "51000"),
		codes(429, `{"msg":"x","code":"%s"}`, passed, "50011", "50061"),
		[]answer{{401, "", refused}, {500, "", passed}},
	)},
	"bybit": {provider.Bybit().Classifier, join(
		codes(200, `{"retCode":%s,"retMsg":"x"}`, unapplied, "10003", "10004", "10007", "33004", "-2015"),
		codes(401, `{"retCode":%s,"retMsg":"x"}`, unapplied, "10003"),
		codes(200, `{"retCode":%s,"retMsg":"x"}`, clock, "10002", "-1"),
		codes(200, `{"retCode":%s,"retMsg":"x"}`, inconclusive, "10000", "10005", "10006", "10008", "10009", "10010", "10016", "10018", "10024",
			"10027", "10028", "10029", "10429"),
		codes(200, `{"retCode":%s,"retMsg":"x"}`, passed, "0"),
		codes(200, `{"retCode":%s,"retMsg":"x"}`, inconclusive, "10001", "110001", "-2016", "34999", `""`, "null"),
		codes(401, `{"retCode":%s,"retMsg":"x"}`, ambiguous, "34999"),
		[]answer{{200, "", inconclusive}, {200, "<html>", inconclusive}, {401, "", refused}, {403, `{"retCode":10003}`, passed}, {429, "", passed}, {502, "", passed}},
	)},
	"kucoin": {provider.KuCoin().Classifier, join(
		codes(401, `{"code":"%s","msg":"x"}`, unapplied, "400003", "400004", "400005"),
		codes(401, `{"code":"%s","msg":"x"}`, clock, "400002"),
		codes(401, `{"code":"%s","msg":"x"}`, unapplied, "400008", "400009"),
		codes(401, `{"code":"%s","msg":"x"}`, inconclusive, "400001", "400006", "400007", "400010", "400012", "411100", "400200",
			"400201", "400202", "400301"),
		codes(401, `{"code":"%s","msg":"x"}`, ambiguous, "400099"),
		codes(200, `{"code":"%s","data":{}}`, passed, "200000"),
		codes(200, `{"code":"%s","msg":"x"}`, inconclusive, "200004", "400100", "900001"),
		[]answer{{401, "", refused}, {429, `{"code":"400003"}`, passed}},
	)},
	"gemini": {provider.Gemini().Classifier, join(
		codes(400, `{"result":"error","reason":"%s","message":"x"}`, unapplied, "InvalidSignature", "InvalidApiKey"),
		codes(400, `{"result":"error","reason":"%s","message":"x"}`, clock, "InvalidNonce"),
		codes(403, `{"result":"error","reason":"%s","message":"x"}`, inconclusive, "MissingRole"),
		codes(400, `{"result":"error","reason":"%s","message":"x"}`, inconclusive, "RateLimit", "RateLimited", "Maintenance"),
		[]answer{{400, `{"reason":"InvalidPrice"}`, passed}, {429, "", passed}},
	)},
	"bitfinex": {provider.Bitfinex().Classifier, join(
		codes(500, `["error",10100,"%s"]`, unapplied, "apikey: invalid", "apikey: digest invalid"),
		codes(500, `["error",10100,%s`, ambiguous, `"apikey: permissions"]`, `""]`, `null]`, `7]`),
		codes(500, `["error",%s,"x"]`, clock, "10114"),
		codes(500, `["error",%s,"x"]`, inconclusive, "10001", "11010", "20060"),
		[]answer{{500, "Internal Server Error", passed}, {200, `["error",10100,"x"]`, inconclusive}, {200, `["errors"]`, passed}, {200, `[]`, passed}, {502, "", passed}},
	)},
	"deribit": {provider.Deribit().Classifier, join(
		codes(400, `{"jsonrpc":"2.0","error":{"message":"%s","code":1},"testnet":false}`, unapplied, "invalid_credentials", "invalid_token",
			"unauthorized", "token_revoked", "authorization_required"),
		codes(401, `{"error":{"message":"%s","code":1}}`, inconclusive, "forbidden", "insufficient_scope", "too_many_requests", "tfa_required"),
		codes(400, `{"error":{"message":"%s","code":13004}}`, inconclusive, "forbidden", "insufficient_scope", "too_many_requests", "tfa_required",
			"retry", "system_maintenance", "settlement_in_progress"),
		codes(400, `{"error":{"message":"%s","code":10009}}`, inconclusive, "not_enough_funds"),
		codes(401, `{"error":{"message":"%s","code":1}}`, ambiguous, "new_error"),
		[]answer{{200, `{"jsonrpc":"2.0","result":[]}`, passed}, {200, `{"jsonrpc":"2.0","error":{"message":"new_error"}}`, inconclusive}},
	)},
	"bitmex": {provider.BitMEX().Classifier, join(
		codes(401, `{"error":{"message":"%s","name":"HTTPError"}}`, unapplied, "Invalid API Key.", "Signature not valid."),
		codes(401, `{"error":{"message":"%s","name":"HTTPError"}}`, clock, "This request has expired - `expires` is in the past."),
		[]answer{{403, "", passed}, {429, "", passed}},
	)},
	"gate": {provider.Gate().Classifier, join(
		codes(401, `{"label":"%s","message":"x"}`, unapplied, "INVALID_KEY", "INVALID_CREDENTIALS", "AUTHENTICATION_FAILED", "INVALID_SIGNATURE"),
		codes(403, `{"label":"%s","message":"x"}`, clock, "REQUEST_EXPIRED"),
		codes(401, `{"label":"%s","message":"x"}`, inconclusive, "IP_FORBIDDEN", "READ_ONLY", "FORBIDDEN", "ACCOUNT_LOCKED", "TOO_MANY_REQUESTS"),
	)},
	"coinbaseexchange": {provider.CoinbaseExchange().Classifier, join(
		codes(401, `{"message":"%s"}`, unapplied, "Invalid API Key", "invalid signature", "Invalid Passphrase"),
		codes(400, `{"message":"%s"}`, clock, "request timestamp expired"),
		codes(401, `{"message":"%s"}`, inconclusive, "IP does not match IP whitelist"),
		codes(401, `{"message":"%s"}`, ambiguous, "new message"),
		[]answer{{403, `{"message":"Invalid API Key"}`, passed}, {429, "", passed}},
	)},
	"github": {provider.GitHub().Classifier, []answer{
		{401, `{"message":"Bad credentials"}`, refused}, {403, `{"message":"Maximum number of login attempts exceeded."}`, passed},
		{404, "", passed}, {429, "", passed},
	}},
	"stripe": {provider.Stripe().Classifier, []answer{
		{401, `{"error":{"code":"api_key_expired"}}`, refused}, {401, "", refused}, {403, "", passed}, {429, "", passed},
	}},
	"openai": {provider.OpenAI().Classifier, []answer{
		{401, `{"error":{"code":"invalid_api_key"}}`, refused}, {401, `{"error":{"message":"Incorrect API key provided"}}`, refused},
		{401, `{"error":{"message":"IP not authorized"}}`, inconclusive},
		{401, `{"error":{"message":"You must be a member of an organization to use the API"}}`, inconclusive},
		{403, "", passed}, {429, "", passed},
	}},
	"anthropic": {provider.Anthropic().Classifier, []answer{
		{401, `{"type":"error","error":{"type":"authentication_error"}}`, refused},
		{403, `{"type":"error","error":{"type":"permission_error"}}`, passed}, {429, "", passed}, {529, "", passed},
	}},
	"google": {provider.Google().Classifier, []answer{
		{400, `{"error":{"code":400,"details":[{"reason":"API_KEY_INVALID"}]}}`, unapplied},
		{400, `{"error":{"code":400,"status":"INVALID_ARGUMENT"}}`, passed}, {403, `{"reason":"API_KEY_INVALID"}`, passed},
	}},
	"slack": {provider.Slack().Classifier, join(
		codes(200, `{"ok":false,"error":"%s"}`, unapplied, "token_revoked", "token_expired", "account_inactive"),
		codes(200, `{"ok":false,"error":"%s"}`, ambiguous, "invalid_auth", "not_authed"),
		codes(401, `{"ok":false,"error":"%s"}`, unapplied, "token_revoked"),
		codes(200, `{"ok":false,"error":"%s","needed":"chat:write","provided":"identify"}`, inconclusive, "missing_scope"),
		codes(200, `{"ok":false,"error":"%s"}`, inconclusive, "ratelimited", "access_denied", "accesslimited", "not_allowed_token_type",
			"team_access_not_granted", "org_login_required", "service_unavailable", "internal_error", "fatal_error", "invalid_arguments", "unknown_method"),
		codes(200, `{"ok":false,"error":"%s"}`, inconclusive, "channel_not_found", "is_archived", "msg_too_long", "new_error"),
		[]answer{
			{200, `{"ok":true,"error":"token_revoked"}`, passed}, {200, `{"ok":true,"message":{"error":"invalid_auth"}}`, passed}, {200, "", inconclusive},
			{200, ` {"error":"x", "ok" : true}`, passed}, {401, "", refused}, {302, "", inconclusive}, {500, `{"ok":false,"error":"token_revoked"}`, passed},
		},
	)},
	"datadog": {provider.Datadog("").Classifier, join(
		codes(403, `{"errors":["%s"]}`, ambiguous, "Forbidden", "Authentication error"),
		codes(403, `{"status":"error","code":403,"errors":["%s"],"statuspage":"http://status.datadoghq.com"}`, ambiguous, "Forbidden"),
		codes(403, `{"errors":[{"status":"403","title":"%s","detail":"x"}]}`, ambiguous, "Forbidden"),
		codes(403, `{"errors":["%s"]}`, inconclusive, "Failed permission authorization checks", "This API does not support scoped app keys"),
		codes(403, `{"errors":["Forbidden","%s"]}`, inconclusive, "Failed permission authorization checks"),
		[]answer{
			{401, `{"errors":["Unauthorized"]}`, refused}, {403, "<html>", passed}, {403, "", passed}, {403, `{"errors":[]}`, passed},
			{400, `{"errors":["Forbidden"]}`, passed}, {200, `{"errors":["Forbidden"]}`, passed}, {202, `{"status":"ok"}`, passed},
		},
	)},
	"apigateway": {provider.APIGateway().Classifier, []answer{
		{403, `{"message":"Forbidden"}`, ambiguous}, {403, `{"message":"User is not authorized to access this resource"}`, passed},
		{403, "", passed}, {401, `{"message":"Unauthorized"}`, refused}, {429, `{"message":"Limit Exceeded"}`, passed}, {200, `{"message":"Forbidden"}`, passed},
	}},
	"alpaca": {provider.Alpaca().Classifier, join(
		codes(401, `{"code":40110000,"message":"%s"}`, refused, "unauthorized.", "unauthorized", "request is not authorized"),
		codes(401, `{"code":40110000,"message":"%s"}`, inconclusive, "token is not authorized for this scope"),
		codes(403, `{"message":"%s"}`, ambiguous, "forbidden.", "forbidden"),
		codes(403, `{"message":"%s"}`, inconclusive, "subscription does not permit querying recent SIP data"),
		codes(403, `{"code":40310000,"message":"%s"}`, passed, "insufficient buying power", "account is restricted"),
		[]answer{{401, "", refused}, {403, "", passed}, {422, `{"message":"forbidden."}`, passed}, {200, `{"message":"forbidden."}`, passed}},
	)},
	"graphql": {provider.GraphQL(nil).Classifier, join(
		codes(200, `{"errors":[{"message":"x","extensions":{"code":"%s","path":"$"}}]}`, unapplied, "UNAUTHENTICATED", "unauthenticated",
			"AUTH_NOT_AUTHENTICATED", "AUTHENTICATION_ERROR", "invalid-jwt"),
		codes(200, `{"errors":[{"message":"x"},{"extensions":{"code":"%s"}}]}`, unapplied, "UNAUTHENTICATED"),
		codes(400, `{"errors":[{"extensions":{"code":"%s"}}]}`, unapplied, "UNAUTHENTICATED"),
		codes(500, `{"errors":[{"extensions":{"code":"%s"}}]}`, unapplied, "UNAUTHENTICATED"),
		codes(200, `{"errors":[{"extensions":{"code":"%s"}}],"data":null}`, refused, "UNAUTHENTICATED", "invalid-jwt"),
		codes(200, `{"data":{"a":1,"b":null},"errors":[{"path":["b"],"extensions":{"code":"%s"}}]}`, refused, "UNAUTHENTICATED"),
		codes(200, `{"errors":[{"extensions":{"code":"%s"}}],"data":{"a":`, refused, "UNAUTHENTICATED"),
		codes(200, `{"errors":[{"extensions":{"code":"%s"}},{"mess`, refused, "UNAUTHENTICATED"), // cut off: there may be data
		codes(200, `{"errors":[{"extensions":{"code":"%s"}}]}`, ambiguous, "access-denied"),
		codes(200, `{"errors":[{"extensions":{"code":"%s"}}],"data":null}`, inconclusive, "access-denied"),
		codes(200, `{"errors":[{"extensions":{"code":"access-denied"}},{"extensions":{"code":"%s"}}]}`, unapplied, "UNAUTHENTICATED"),
		codes(200, `{"errors":[{"extensions":{"code":"%s"}}]}`, inconclusive, "FORBIDDEN", "ACCESS_DENIED", "RATE_LIMITED", "INTERNAL_SERVER_ERROR",
			"GRAPHQL_VALIDATION_FAILED", "validation-failed"),
		codes(400, `{"errors":[{"extensions":{"code":"%s"}}]}`, inconclusive, "GRAPHQL_VALIDATION_FAILED"),
		codes(401, `{"errors":[{"message":"%s"}]}`, refused, "Bad credentials"),
		[]answer{
			{200, `{"data":{"createUser":{"errors":[{"extensions":{"code":"UNAUTHENTICATED"}}]}}}`, passed}, {200, `{"data":{"a":1}}`, passed},
			{200, `{"errors":[],"data":{"a":1}}`, passed}, {200, `{"errors":null,"data":{"a":1}}`, passed}, {200, `{"errors":"none","data":{}}`, passed},
			{200, `{"errors":["text"]}`, inconclusive}, {200, `{"errors":[{"extensions":"UNAUTHENTICATED"}]}`, inconclusive}, {200, "", inconclusive},
			{200, `["errors",{"code":"UNAUTHENTICATED"}]`, inconclusive}, {403, `{"message":"x"}`, passed}, {401, "", refused}, {500, "", passed},
		},
	)},
	"tokenmetrics": {provider.TokenMetrics("").Classifier, []answer{{401, "", refused}, {403, "", passed}, {429, "", passed}}},
}

// F65, F66, F158, F160
func TestClassifiersReadTheDocumentedRefusals(t *testing.T) {
	for name, p := range refusals {
		t.Run(name, func(t *testing.T) {
			for _, a := range p.answers {
				if got := p.classify(transport.NewAnswer(a.status, nil, []byte(a.body))); got != a.want {
					t.Errorf("%d %s: verdict %d, want %d", a.status, a.body, got, a.want)
				}
				// At every API limits, proxies and unknown outcomes are not about the key.
				for _, status := range []int{407, 429, 502, 503, 504} {
					if got := p.classify(transport.NewAnswer(status, nil, []byte(a.body))); got != passed {
						t.Errorf("%d %s: verdict %d, want passed", status, a.body, got)
					}
				}
			}
		})
	}
}

// F65
func TestClassifiersHonourInsufficientScope(t *testing.T) {
	for name, p := range refusals {
		header := http.Header{"Www-Authenticate": {`Bearer error="insufficient_scope"`}}
		for _, status := range []int{401, 403} {
			if got := p.classify(transport.NewAnswer(status, header, nil)); got != passed {
				t.Errorf("%s: verdict %d", name, got)
			}
		}
	}
}

// If a body is cut off after the code, the code is read. If it is cut off before, the
// answer is a 401 like any other.
func TestCodesReadBodiesThatAreCutOff(t *testing.T) {
	c := provider.Codes("error.code", map[transport.Verdict][]string{passed: {"scope*"}, unapplied: {"7", "scope_of_key*"}}, 400, 401)
	for body, want := range map[string]transport.Verdict{
		`{"detail":{"a":[1,{"b":2}]},"error":{"x":null,"code":7,"mess`: unapplied,
		`{"error":{"code":"Scope missing"`:                             passed,
		`{"error":{"code":"scope_of_key_gone"}}`:                       unapplied,
		`{"error":{"co`:                                                refused,
		`{"error":[{"code":7}]}`:                                       refused,
		`{"error":7}`:                                                  refused,
		`]`:                                                            refused,
		strings.Repeat("[", 10000):                                     refused,
	} {
		if got := c(transport.NewAnswer(401, nil, []byte(body))); got != want {
			t.Errorf("%.60s: verdict %d, want %d", body, got, want)
		}
	}
}
