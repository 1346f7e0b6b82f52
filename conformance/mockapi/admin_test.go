package mockapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/source"
)

// start starts an API with the admin API. Calls with errors do not fail the test.
func start(t testing.TB, opts ...mockapi.Option) *mockapi.API {
	t.Helper()
	api, err := mockapi.Start(append(opts, mockapi.WithAdmin(""))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = api.Close(); http.DefaultClient.CloseIdleConnections() })
	return api
}

func admin(t testing.TB, api *mockapi.API) *mockapi.Admin {
	t.Helper()
	c := mockapi.NewAdmin(api.AdminURL())
	t.Cleanup(c.Close)
	return c
}

// The calls in the package comment of cmd/mockapi work, in their order.
func TestManualOfTheProgram(t *testing.T) {
	api := start(t)
	manual, err := os.ReadFile("cmd/mockapi/main.go")
	if err != nil {
		t.Fatal(err)
	}
	vars := map[string]string{
		"URL": api.URL(), "KEYS": api.KeysURL(), "ADMIN": strings.TrimSuffix(api.AdminURL(), "/"), "SECRET": "",
	}
	answers := make(map[string]string)
	var calls int
	for _, line := range regexp.MustCompile(`(?m)^//\tcurl .*$`).FindAllString(string(manual), -1) {
		if vars["SECRET"] == "" && strings.Contains(line, "$SECRET") {
			vars["SECRET"] = api.Keys()[0].Key.Secret.Expose()
		}
		r, name := curl(t, strings.TrimPrefix(line, "//\t"), vars)
		a := send(t, http.DefaultClient, r)
		if a.Status != http.StatusOK || !json.Valid([]byte(a.Body)) {
			t.Errorf("%s: %d %s", line, a.Status, a.Body)
		}
		answers[name] = a.Body
		calls++
	}
	if calls != 25 {
		t.Errorf("the package comment has %d calls", calls)
	}
	for path, parts := range map[string][]string{
		"/admin/":             {`"endpoints":[`, `"url":"` + api.AdminURL() + `rotate"`},
		"/admin/openapi.json": {`"openapi":"3.1.0"`},
		"/admin/keys":         {`"version":"v3","id":"k-9","secret":"given"`, `"revoked":true`, `"replicas":[0,1,2]`},
		"/admin/orders":       {`"client_id":"c-1"`, `"version":"v1"`},
		"/admin/counts":       {`"v1":{"accepted":2,"refused":0}`},
		"/admin/requests":     {`"path":"/anything"`, `"path":"/orders"`, `"[redacted]"`},
		"/orders":             {`"version":"v1"`},
		"/keys":               {vars["SECRET"]},
		"/admin/reset":        {"{}"},
		"/admin/issue":        {`"version":"v3"`},
		"/admin/rotate":       {`"version":"v2"`},
		"/admin/refusal":      {"{}"},
		"/admin/answer":       {"{}"},
		"/admin/deactivate":   {"{}"},
		"/admin/replicas":     {"{}"},
		"/anything":           {`"method":"GET"`},
		"/admin/release":      {"{}"},
		"/admin/hold":         {"{}"},
		"/admin/list":         {"{}"},
		"/admin/unlist":       {"{}"},
		"/admin/expire":       {"{}"},
		"/admin/activate":     {"{}"},
		"/admin/revoke":       {"{}"},
	} {
		for _, part := range parts {
			if !strings.Contains(compact(answers[path]), part) {
				t.Errorf("%s answers %q, without %s", path, answers[path], part)
			}
		}
	}
	if len(api.Keys()) != 0 {
		t.Error("the server still has keys after reset")
	}
}

func compact(s string) string { return strings.ReplaceAll(strings.ReplaceAll(s, " ", ""), "\n", "") }

// curl returns the request of a line such as "curl -s $URL/x -H 'A: b' -d '{}'", and
// its path.
func curl(t testing.TB, line string, vars map[string]string) (*http.Request, string) {
	t.Helper()
	var url, data string
	var headers []string
	words := regexp.MustCompile(`'[^']*'|"[^"]*"|\S+`).FindAllString(line, -1)
	for i, word := range words {
		if quoted := word[0] == '\''; !quoted {
			word = os.Expand(word, func(name string) string { return vars[name] })
		}
		words[i] = strings.Trim(word, `'"`)
	}
	for i := 1; i < len(words); i++ {
		switch words[i] {
		case "-s":
		case "-H":
			i++
			name, value, _ := strings.Cut(words[i], ": ")
			headers = append(headers, name, value)
		case "-d":
			i++
			data = words[i]
		default:
			url = words[i]
		}
	}
	method := http.MethodGet
	if data != "" {
		method = http.MethodPost
		headers = append(headers, "Content-Type", "application/x-www-form-urlencoded") // curl's default
	}
	r := request(t, method, url, source.Key{}, strings.NewReader(data), headers...)
	return r, r.URL.Path
}

// F95: only calls that return keys show secrets; the log does not.
func TestAdminShowsSecretsOnlyWithKeys(t *testing.T) {
	api := start(t)
	var key map[string]any
	if s := post(t, api.AdminURL()+"issue", "", &key); s != 200 || !strings.HasPrefix(fmt.Sprint(key["secret"]), mockapi.Sentinel) {
		t.Errorf("%d", s)
	}
	get(t, api, source.Key{Secret: source.NewSecret(fmt.Sprint(key["secret"]))})
	for _, path := range []string{"", "openapi.json", "requests", "counts", "orders"} {
		a := send(t, http.DefaultClient, request(t, http.MethodGet, api.AdminURL()+path, source.Key{}, nil))
		if a.Status != 200 {
			t.Errorf("%s: %d", path, a.Status)
		}
		noSecret(t, path, a.Body)
	}
}

func TestAdminRefusesMistakes(t *testing.T) {
	api := start(t)
	for _, test := range []struct {
		path, body string
		status     int
	}{
		{"revoke", `{"version":"v9"}`, 404},
		{"expire", `{}`, 404},
		{"issue", `{"secrte":"x"}`, 400},
		{"issue", `{"after":"soon"}`, 400},
		{"issue", `{"after":"-1s"}`, 400},
		{"issue", `{"after":3}`, 400},
		{"issue", `{"secret":3}`, 400},
		{"issue", `[`, 400},
		{"refusal", `{"preset":"x"}`, 400},
		{"refusal", `{"status":100}`, 400},
		{"refusal", `{"status":204}`, 400}, // the preset has a body
		{"refusal", `{"preset":"none","status":304,"body":"x"}`, 400},
		{"answer", `{"status":204,"endless":true}`, 400},
		{"answer", `{"status":600}`, 400},
		{"answer", `{"read_body":true}`, 400},
		{"replicas", `{"count":0}`, 400},
		{"nothing", `{}`, 404},
		{"keys", `{}`, 405},
	} {
		r := request(t, http.MethodPost, api.AdminURL()+test.path, source.Key{}, strings.NewReader(test.body))
		if a := send(t, http.DefaultClient, r); a.Status != test.status {
			t.Errorf("%s %s: %d %s", test.path, test.body, a.Status, a.Body)
		}
	}
	if len(api.Keys()) != 0 {
		t.Errorf("%d keys were issued by mistake", len(api.Keys()))
	}
	post(t, api.AdminURL()+"issue", `{}`, nil)
	if s := post(t, api.AdminURL()+"activate", `{"version":"v1","replicas":[7]}`, nil); s != 400 {
		t.Errorf("replica 7: %d", s)
	}
}

// Admin's methods do over HTTP what API's methods do.
func TestAdminClient(t *testing.T) {
	api := start(t, mockapi.WithReplicas(2))
	c, ctx := admin(t, api), within(t)
	v1, err := c.Issue(ctx, mockapi.Spec{
		ID: "me", Secret: "s", Extra: map[string]string{"passphrase": "p"}, Metadata: map[string]string{"a": "b"},
		Replicas: map[int]time.Duration{1: 0}, ValidFor: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	if own := api.Keys()[0].Key; v1.Version != "v1" || !v1.SameContent(own) || !v1.ExpiresAt.Equal(own.ExpiresAt) || v1.Metadata["a"] != "b" {
		t.Errorf("issued %+v", v1)
	}
	status(t, api, v1, 401, mockapi.ReplicaHeader, "0")
	status(t, api, v1, 200, mockapi.ReplicaHeader, "1")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(c.Activate(ctx, "v1", 0))
	status(t, api, v1, 200, mockapi.ReplicaHeader, "0")
	must(c.Deactivate(ctx, "v1"))
	status(t, api, v1, 401)
	must(c.Activate(ctx, "v1"))
	v2, err := c.Rotate(ctx, 0)
	must(err)
	status(t, api, v1, 401)
	status(t, api, v2, 200)
	v3, err := c.RotateTo(ctx, mockapi.Spec{Secret: "third"}, time.Hour)
	must(err)
	status(t, api, v2, 200)
	must(c.Revoke(ctx, v2.Version))
	must(c.SetRefusal(ctx, mockapi.Refusal{Status: 418, Header: http.Header{"X-Why": {"tea"}}, Body: "pot"}))
	if a := get(t, api, v2); a.Status != 418 || a.Header.Get("X-Why") != "tea" || a.Body != "pot" || a.Header.Get("WWW-Authenticate") != "" {
		t.Errorf("refused with %d %v %q", a.Status, a.Header, a.Body)
	}
	send(t, api.Client(), request(t, http.MethodPost, api.URL()+"/orders", v3, strings.NewReader(`{"client_order_id":"c-1"}`)))
	must(c.Expire(ctx, v3.Version, 0))
	status(t, api, v3, 418)

	orders, err := c.Orders(ctx)
	if must(err); len(orders) != 1 || orders[0].ClientID != "c-1" || string(orders[0].Body) != `{"client_order_id":"c-1"}` {
		t.Errorf("orders %+v", orders)
	}
	counts, err := c.Counts(ctx)
	if must(err); counts["v3"] != (mockapi.Counts{Accepted: 1, Refused: 1}) || counts["v2"] != (mockapi.Counts{Accepted: 2, Refused: 1}) {
		t.Errorf("counts %+v", counts)
	}
	all, err := c.Requests(ctx, 0)
	must(err)
	rest, err := c.Requests(ctx, 2)
	if must(err); len(all) != len(api.Requests()) || len(rest) != len(all)-2 || rest[0].Seq != 3 || rest[0].Version != "v1" {
		t.Errorf("%d and %d requests", len(all), len(rest))
	}
}

// Admin can make the key document and the server differ, and read the state of both.
func TestAdminClientMovesSourceAndServerApart(t *testing.T) {
	api := start(t)
	c, ctx := admin(t, api), within(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(c.SetReplicas(ctx, 3))
	v1, err := c.Issue(ctx, mockapi.Spec{Extra: map[string]string{"passphrase": "p"}, After: time.Hour, Unlisted: true})
	must(err)
	must(c.Expire(ctx, v1.Version, 0)) // expires before it becomes valid
	must(c.List(ctx, v1.Version))
	v2, err := c.Issue(ctx, mockapi.Spec{})
	must(err)
	must(c.Unlist(ctx, v2.Version))
	states, err := c.Keys(ctx)
	must(err)
	own := api.Keys()
	if len(states) != 2 || len(own) != 2 {
		t.Fatalf("%d and %d keys", len(states), len(own))
	}
	for i := range own {
		if !states[i].Key.SameContent(own[i].Key) || !states[i].Key.ExpiresAt.Equal(own[i].Key.ExpiresAt) ||
			states[i].Listed != own[i].Listed || !slices.Equal(states[i].Replicas, own[i].Replicas) {
			t.Errorf("key %d is %+v there, %+v here", i, own[i], states[i])
		}
	}
	if states[0].Listed || !states[1].Listed || len(states[0].Replicas) != 3 {
		t.Errorf("keys %+v", states)
	}

	must(c.Hold(ctx, v2.Version))
	done := make(chan int)
	go func() {
		r := request(t, http.MethodGet, api.URL(), v2, nil)
		resp, err := api.Client().Do(r)
		if err != nil {
			t.Error(err)
			done <- 0
			return
		}
		resp.Body.Close()
		done <- resp.StatusCode
	}()
	for len(api.Requests()) == 0 && ctx.Err() == nil {
		runtime.Gosched()
	}
	select {
	case <-done:
		t.Error("the response was not delayed by the hold")
	default:
	}
	must(c.Release(ctx, v2.Version))
	if code := <-done; code != http.StatusOK {
		t.Errorf("status %d", code)
	}

	must(c.SetAnswer(ctx, mockapi.Answer{Status: 202, Body: "later", Header: http.Header{"X-A": {"b"}}}))
	if a := get(t, api, v2); a.Status != 202 || a.Body != "later" || a.Header.Get("X-A") != "b" {
		t.Errorf("answered %d, %v, %q", a.Status, a.Header, a.Body)
	}
	must(c.Reset(ctx))
	v1, err = c.Issue(ctx, mockapi.Spec{})
	if must(err); v1.Version != "v1" {
		t.Errorf("issued %s after Reset", v1.Version)
	}
	if a := get(t, api, v1); a.Status != 200 || a.Version != "v1" {
		t.Errorf("answered %d, %q after Reset", a.Status, a.Body)
	}
}

// A web page whose host name resolves to 127.0.0.1 (DNS rebinding) gets no secret:
// the browser sends the page's host name as Host.
//
// F95
func TestSecretsAreForLoopbackHostsOnly(t *testing.T) {
	api := start(t)
	key := api.Issue(mockapi.Spec{})
	for _, url := range []string{api.AdminURL() + "keys", api.KeysURL()} {
		for host, want := range map[string]int{
			"": 200, "localhost": 200, "LOCALHOST:1": 200, "127.0.0.1": 200, "[::1]:80": 200, "[::1]": 200, "127.1.2.3:9": 200,
			"evil.example": 403, "evil.example:80": 403, "127.0.0.1.evil.example": 403, "localhost.evil.example:1": 403, "10.0.0.1": 403, "0.0.0.0:1": 403, "[::]": 403,
		} {
			r := request(t, http.MethodGet, url, source.Key{}, nil)
			r.Host = host
			if a := send(t, http.DefaultClient, r); a.Status != want || strings.Contains(a.Body, key.Secret.Expose()) != (want == 200) {
				t.Errorf("host %q: status %d, want %d", host, a.Status, want)
			}
		}
	}
	r := request(t, http.MethodPost, api.AdminURL()+"revoke", source.Key{}, strings.NewReader(`{"version":"v1"}`))
	r.Host = "evil.example"
	if a := send(t, http.DefaultClient, r); a.Status != 403 {
		t.Errorf("status %d", a.Status)
	}
	status(t, api, key, 200)
}

func TestAdminClientErrors(t *testing.T) {
	api := start(t)
	c := admin(t, api)
	if err := c.Revoke(within(t), "v9"); !errors.Is(err, mockapi.ErrUnknownVersion) {
		t.Errorf("error %v", err)
	}
	api.Issue(mockapi.Spec{})
	if err := c.Activate(within(t), "v1", 7); err == nil || !strings.Contains(err.Error(), "no replica 7 of 1") {
		t.Errorf("error %v", err)
	}
	elsewhere := mockapi.NewAdmin(api.AdminURL() + "elsewhere")
	defer elsewhere.Close()
	if err := elsewhere.Revoke(within(t), "v1"); err == nil || errors.Is(err, mockapi.ErrUnknownVersion) {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Rotate(ctx, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	_ = api.Close()
	if _, err := c.Issue(within(t), mockapi.Spec{Secret: mockapi.Sentinel + "x"}); err == nil {
		t.Error("no error")
	} else {
		noSecret(t, "the error", err.Error())
	}
}
