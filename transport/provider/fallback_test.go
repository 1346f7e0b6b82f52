package provider_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

// two is a source that lists two versions. The server knows only v1.
type two struct{ secret string }

func (s two) Read(context.Context) (source.Set, error) {
	v2, v1 := pair(s.secret), pair(s.secret)
	v2.Version, v1.Version = "v2", "v1"
	v2.ID, v1.ID = "new-key", "old-key"
	return source.Set{Keys: []source.Key{v2, v1}, Complete: true}, nil
}

// An exchange refuses requests with the new key by the given answer, and counts the
// orders that it accepts.
type exchange struct {
	status int
	body   string
	date   string
	refuse func(text string) bool

	mu       sync.Mutex
	attempts []string
	orders   []string
}

func (e *exchange) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil || r.ContentLength != int64(len(body)) {
		http.Error(w, "body", http.StatusBadRequest)
		return
	}
	text := fmt.Sprint(r.URL, r.Header, string(body))
	e.mu.Lock()
	defer e.mu.Unlock()
	e.attempts = append(e.attempts, text)
	if e.date != "" {
		w.Header().Set("Date", e.date)
	}
	if e.refuse(text) {
		w.WriteHeader(e.status)
		_, _ = io.WriteString(w, e.body)
		return
	}
	e.orders = append(e.orders, string(body))
	_, _ = io.WriteString(w, `{"error":[],"result":"taken"}`)
}

// post sends one order to e with the profile p and returns the answer.
func post(t *testing.T, e *exchange, p provider.Profile, path string) string {
	t.Helper()
	server := httptest.NewServer(e)
	defer server.Close()
	keys, err := ring.Keep(t.Context(), two{base64Secret}, ring.WithLogger(nil))
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close()
	base := &http.Transport{}
	defer base.CloseIdleConnections()
	client := &http.Client{Transport: transport.New(keys, p.Scheme, transport.WithClassifier(p.Classifier),
		transport.WithOrigin(server.URL), transport.WithBase(base))}
	contentType, order := "application/x-www-form-urlencoded", "pair=XBTUSD&volume=1"
	if p.Name != "binance" && p.Name != "kraken" {
		contentType, order = "application/json", `{"pair":"XBTUSD","volume":"1"}`
	}
	resp, err := client.Post(server.URL+path, contentType, strings.NewReader(order))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// An API refuses an order in its own form. The order is sent again with the previous
// key, signed anew, and is accepted once. F49, F66, F67, F158, F159
func TestOrdersFallBack(t *testing.T) {
	for name, r := range map[string]struct {
		status int
		body   string
	}{
		"binance":          {401, `{"code":-2014,"msg":"API-key format invalid."}`},
		"kraken":           {200, `{"error":["EAPI:Invalid key"]}`},
		"coinbaseexchange": {401, `{"message":"Invalid API Key"}`},
		"okx":              {401, `{"msg":"Invalid OK-ACCESS-KEY","code":"50111"}`},
		"bybit":            {200, `{"retCode":10003,"retMsg":"API key is invalid."}`},
		"bybit expired":    {200, `{"retCode":-2015,"retMsg":"Your api key has expired."}`},
		"binance /sapi":    {400, `{"code":-2008,"msg":"Invalid Api-Key ID."}`},
		"kucoin":           {401, `{"code":"400003","msg":"KC-API-KEY not exists"}`},
		"gemini":           {400, `{"result":"error","reason":"InvalidApiKey","message":"x"}`},
		"bitfinex":         {500, `["error",10100,"apikey: invalid"]`},
		"deribit":          {400, `{"jsonrpc":"2.0","error":{"message":"invalid_credentials","code":13004}}`},
		"bitmex":           {401, `{"error":{"message":"Invalid API Key.","name":"HTTPError"}}`},
		"gate":             {401, `{"label":"INVALID_KEY","message":"x"}`},
	} {
		t.Run(name, func(t *testing.T) {
			e := &exchange{status: r.status, body: r.body, refuse: func(text string) bool { return strings.Contains(text, "new-key") }}
			name, _, _ := strings.Cut(name, " ")
			if got := post(t, e, profiles()[name], privatePath(name)); !strings.Contains(got, "taken") {
				t.Errorf("answer %s", got)
			}
			if len(e.attempts) != 2 || len(e.orders) != 1 || strings.Contains(e.attempts[1], "new-key") {
				t.Errorf("%d attempts, %d orders", len(e.attempts), len(e.orders))
			}
		})
	}
}

// If the outcome is unknown, the caller gets the answer: the order is not sent again.
func TestUnknownOutcomesAreNotSentAgain(t *testing.T) {
	for name, r := range map[string]struct {
		status int
		body   string
	}{
		"binance":  {500, `{"code":-1007,"msg":"Timeout waiting for response from backend server."}`},
		"kraken":   {200, `{"error":["EService:Unavailable"]}`},
		"bitfinex": {500, `["error",20060,"maintenance"]`},
		"bybit":    {200, `{"retCode":10016,"retMsg":"x"}`},
	} {
		e := &exchange{status: r.status, body: r.body, refuse: func(string) bool { return true }}
		if got := post(t, e, profiles()[name], privatePath(name)); got != r.body || len(e.attempts) != 1 {
			t.Errorf("%s: %d attempts, answer %s", name, len(e.attempts), got)
		}
	}
}

// After a refusal of the time the request is signed again with the server's time and
// the same key.
func TestClockRefusalIsSignedAnew(t *testing.T) {
	local := time.Unix(1_700_000_000, 0)
	p := provider.OKX(at(local), provider.LearnClock())
	e := &exchange{
		status: 401, body: `{"code":"50102","msg":"Timestamp request expired"}`, date: local.Add(time.Minute).UTC().Format(http.TimeFormat),
		refuse: func(text string) bool { return !strings.Contains(text, "2023-11-14T22:14:20.500Z") },
	}
	if got := post(t, e, p, "/api/v5/trade/order"); !strings.Contains(got, "taken") {
		t.Errorf("answer %s", got)
	}
	if len(e.attempts) != 2 || !strings.Contains(e.attempts[1], "new-key") {
		t.Errorf("%d attempts", len(e.attempts))
	}
}

// After an ambiguous refusal one attempt is made with the previous key. If that does
// not help, the caller gets the refusal.
func TestAmbiguousRefusalIsTriedOnce(t *testing.T) {
	const refusal = `{"code":-2015,"msg":"Invalid API-key, IP, or permissions for action."}`
	e := &exchange{status: 401, body: refusal, refuse: func(string) bool { return true }}
	got := post(t, e, provider.Binance(), "/api/v3/order")
	var answer struct{ Code int }
	if err := json.Unmarshal([]byte(got), &answer); err != nil || answer.Code != -2015 {
		t.Errorf("answer %s", got)
	}
	if len(e.attempts) != 2 {
		t.Errorf("%d attempts", len(e.attempts))
	}
}

// canned is an exchange with fixed answers for each key id.
type canned func(id string) (status int, body string)

func (c canned) RoundTrip(req *http.Request) (*http.Response, error) {
	text := fmt.Sprint(req.Header)
	id := "old-key"
	if strings.Contains(text, "new-key") {
		id = "new-key"
	}
	status, body := c(id)
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)),
		ContentLength: int64(len(body)), Request: req, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}, nil
}

// An answer that says "busy", "too many" or "locked" is not an acceptance, whatever its
// status: a refused key that gets it stays refused, and the good key does not become
// safe to revoke. Nor is an error that is not listed. F51, F60, F65, F66, F158
func TestBusyIsNoAcceptance(t *testing.T) {
	type reply struct {
		status int
		body   string
	}
	for name, c := range map[string]struct {
		good, bad reply
		busy      []reply
	}{
		"kraken": {reply{200, `{"error":[],"result":{}}`}, reply{200, `{"error":["EAPI:Invalid key"]}`}, []reply{
			{200, `{"error":["EOrder:Insufficient funds"]}`}, {200, ``}, {200, `{"error":["EService:Busy"]}`}, {200, `{"error":["EGeneral:Temporary lockout"]}`}, {200, `{"error":["EAPI:Rate limit exceeded"]}`},
			{200, `{"error":["EGeneral:Permission denied"]}`},
		}},
		"bybit": {reply{200, `{"retCode":0,"result":{}}`}, reply{200, `{"retCode":10003}`}, []reply{
			{200, `{"retCode":110001}`}, {200, `{"retCode":-2016}`}, {200, `<html>`}, {200, `{"retCode":10006}`}, {200, `{"retCode":10016}`}, {200, `{"retCode":10005}`}, {200, `{"retCode":10429}`},
		}},
		"okx": {reply{200, `{"code":"0","data":[],"msg":""}`}, reply{401, `{"msg":"x","code":"50111"}`}, []reply{
			{200, `{"code":"51008"}`}, {200, `{"msg":"x","code":"50011"}`}, {200, `{"msg":"x","code":"50061"}`}, {401, `{"msg":"x","code":"50110"}`}, {400, `{"msg":"x","code":"50100"}`},
		}},
		"deribit": {reply{200, `{"result":{}}`}, reply{400, `{"error":{"message":"invalid_credentials"}}`}, []reply{
			{400, `{"error":{"message":"system_maintenance"}}`}, {400, `{"error":{"message":"too_many_requests"}}`},
		}},
		"binance":          {reply{200, `{}`}, reply{401, `{"code":-2014}`}, []reply{{400, `{"code":-1003}`}, {418, `{"code":-1003}`}, {403, `<html>`}}},
		"kucoin":           {reply{200, `{"code":"200000"}`}, reply{401, `{"code":"400003"}`}, []reply{{200, `{"code":"200004"}`}, {400, `{"code":"411100"}`}, {401, `{"code":"400006"}`}}},
		"gemini":           {reply{200, `{}`}, reply{400, `{"reason":"InvalidApiKey"}`}, []reply{{400, `{"reason":"RateLimit"}`}}},
		"gate":             {reply{200, `{}`}, reply{401, `{"label":"INVALID_KEY"}`}, []reply{{400, `{"label":"TOO_FAST"}`}, {401, `{"label":"ACCOUNT_LOCKED"}`}}},
		"coinbaseexchange": {reply{200, `{}`}, reply{401, `{"message":"Invalid API Key"}`}, []reply{{401, `{"message":"IP does not match IP whitelist"}`}}},
	} {
		for _, busy := range c.busy {
			t.Run(name+" "+busy.body, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := profiles()[name]
					opts := []ring.Option{ring.WithLogger(nil)}
					if p.Lockout {
						opts = append(opts, ring.WithLockout())
					}
					keys, err := ring.Keep(t.Context(), two{base64Secret}, opts...)
					if err != nil {
						t.Fatal(err)
					}
					defer keys.Close()
					answers := map[string]reply{"new-key": c.bad, "old-key": c.good}
					rt := transport.New(keys, p.Scheme, transport.WithClassifier(p.Classifier), transport.WithOrigin("https://api.example.com"),
						transport.WithBase(canned(func(id string) (int, string) { return answers[id].status, answers[id].body })))
					order := func() {
						t.Helper()
						resp, err := (&http.Client{Transport: rt}).Post("https://api.example.com"+privatePath(name), "", strings.NewReader(""))
						if err != nil {
							t.Fatal(err)
						}
						resp.Body.Close()
					}
					order() // falls back
					time.Sleep(90 * time.Second)
					answers = map[string]reply{"new-key": busy, "old-key": busy}
					order() // a probe of the new key
					answers = map[string]reply{"new-key": c.bad, "old-key": c.good}
					for range 5 {
						time.Sleep(time.Minute)
						order()
					}
					s := keys.Status()
					if s.Current.Accepted != 0 || s.Current.State == ring.StateAccepted {
						t.Errorf("a key that was never accepted: %+v", s.Current)
					}
					for _, v := range s.Versions {
						if v.SafeToRevoke && v.Version == "v1" {
							t.Error("the only good key is called safe to revoke")
						}
					}
					if s.InUse != "v1" {
						t.Errorf("in use: %s", s.InUse)
					}
				})
			})
		}
	}
}

// Such an answer does not prove the key that a request falls back to either. F51, F65
func TestBusyAfterARefusalIsNoAcceptance(t *testing.T) {
	p := provider.OKX()
	keys, err := ring.Keep(t.Context(), two{base64Secret}, ring.WithLogger(nil))
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close()
	rt := transport.New(keys, p.Scheme, transport.WithClassifier(p.Classifier), transport.WithOrigin("https://api.example.com"),
		transport.WithBase(canned(func(id string) (int, string) {
			if id == "new-key" {
				return 401, `{"code":"50111"}`
			}
			return 401, `{"code":"50110"}` // its address is not on the key's list
		})))
	resp, err := (&http.Client{Transport: rt}).Get("https://api.example.com/api/v5/account/balance")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	for _, v := range keys.Status().Versions {
		if v.Accepted != 0 {
			t.Errorf("%s was accepted", v.Version)
		}
	}
}
