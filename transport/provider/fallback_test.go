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
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

// two is a source that lists two versions, of which the server has only v1.
type two struct{ secret string }

func (s two) Read(context.Context) (source.Set, error) {
	v2, v1 := pair(s.secret), pair(s.secret)
	v2.Version, v1.Version = "v2", "v1"
	v2.ID, v1.ID = "new-key", "old-key"
	return source.Set{Keys: []source.Key{v2, v1}, Complete: true}, nil
}

// An exchange refuses what carries the new key, with the given answer, and
// counts the orders that it takes.
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

// post sends one order to e under p and returns what came back.
func post(t *testing.T, e *exchange, p provider.Profile, path string) string {
	t.Helper()
	server := httptest.NewServer(e)
	defer server.Close()
	ring, err := source.Keep(t.Context(), two{base64Secret}, source.WithLogger(nil))
	if err != nil {
		t.Fatal(err)
	}
	defer ring.Close()
	base := &http.Transport{}
	defer base.CloseIdleConnections()
	client := &http.Client{Transport: transport.New(ring, p.Scheme, transport.WithClassifier(p.Classifier),
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

// A refusal in each API's own form makes an order go out again under the
// previous key, signed anew, and it is taken once. F49, F66, F67
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
		"kucoin":           {401, `{"code":"400003","msg":"KC-API-KEY not exists"}`},
		"gemini":           {400, `{"result":"error","reason":"InvalidApiKey","message":"x"}`},
		"bitfinex":         {500, `["error",10100,"apikey: invalid"]`},
		"deribit":          {400, `{"jsonrpc":"2.0","error":{"message":"invalid_credentials","code":13004}}`},
		"bitmex":           {401, `{"error":{"message":"Invalid API Key.","name":"HTTPError"}}`},
		"gate":             {401, `{"label":"INVALID_KEY","message":"x"}`},
	} {
		t.Run(name, func(t *testing.T) {
			e := &exchange{status: r.status, body: r.body, refuse: func(text string) bool { return strings.Contains(text, "new-key") }}
			if got := post(t, e, profiles()[name], privatePath(name)); !strings.Contains(got, "taken") {
				t.Errorf("answer %s", got)
			}
			if len(e.attempts) != 2 || len(e.orders) != 1 || strings.Contains(e.attempts[1], "new-key") {
				t.Errorf("%d attempts, %d orders", len(e.attempts), len(e.orders))
			}
		})
	}
}

// An outcome that nobody knows is handed back: the order is not sent again.
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

// A refusal of the time is answered by signing anew with the server's, under the
// same key.
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

// A refusal that may be about something else is tried once with the previous
// key, and goes back to the caller if that does not help.
func TestDoubtfulRefusalIsTriedOnce(t *testing.T) {
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
