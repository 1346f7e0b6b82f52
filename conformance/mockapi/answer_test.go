package mockapi_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/source"
)

// Responses with a status that has no body, and responses to HEAD, are sent without
// a body, for refusals and for accepted requests. The connection is not cut.
func TestAnswersWithoutABody(t *testing.T) {
	for name, opts := range map[string][]mockapi.Option{"http1": nil, "http2": {mockapi.WithHTTP2()}} {
		t.Run(name, func(t *testing.T) {
			api := mockapi.New(t, append(opts, nil)...)
			key := api.Issue(mockapi.Spec{})
			for _, code := range []int{204, 205, 304} {
				api.SetRefusal(mockapi.Refusal{Status: code, Body: "none", Endless: true})
				api.SetAnswer(mockapi.Answer{Status: code, Body: "none", Endless: true})
				for _, k := range []source.Key{key, {}} {
					if a := get(t, api, k); a.Status != code || a.Body != "" {
						t.Errorf("%d: answered %d, %q", code, a.Status, a.Body)
					}
				}
			}
			api.SetRefusal(mockapi.Refusal{Endless: true})
			api.SetAnswer(mockapi.Answer{Endless: true, Drip: time.Hour})
			for _, k := range []source.Key{key, {}} {
				if a := send(t, api.Client(), request(t, http.MethodHead, api.URL(), k, nil)); a.Body != "" || a.Status == 0 {
					t.Errorf("HEAD: answered %d, %q", a.Status, a.Body)
				}
			}
			if n := api.Connections(); n != 1 {
				t.Errorf("%d connections", n)
			}
		})
	}
}

// Responses to accepted requests can be late, sent byte by byte, or endless, like
// refusals. The order is applied before the response.
func TestEachShapeOfAnswer(t *testing.T) {
	for name, opts := range map[string][]mockapi.Option{"http1": nil, "http2": {mockapi.WithHTTP2()}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api := mockapi.New(t, append(opts, mockapi.WithMemory())...)
				key := api.Issue(mockapi.Spec{})
				order := func() (*http.Response, time.Duration) {
					t.Helper()
					start := time.Now()
					resp, err := api.Client().Do(request(t, http.MethodPost, api.URL()+"/orders", key, strings.NewReader("{}")))
					if err != nil {
						t.Fatal(err)
					}
					return resp, time.Since(start)
				}
				read := func(resp *http.Response, n int64) (string, time.Duration) {
					t.Helper()
					start := time.Now()
					text, err := io.ReadAll(io.LimitReader(resp.Body, n))
					if err != nil {
						t.Error(err)
					}
					return string(text), time.Since(start)
				}

				api.SetAnswer(mockapi.Answer{Delay: time.Second, Drip: time.Minute, Body: "slow", Header: http.Header{"x-a": {"b"}}})
				resp, late := order()
				if text, slow := read(resp, 100); text != "slow" || late != time.Second || slow != 4*time.Minute || resp.Header.Get("X-A") != "b" || resp.StatusCode != 200 {
					t.Errorf("%q after %v and %v, status %d", text, late, slow, resp.StatusCode)
				}
				resp.Body.Close()

				api.SetAnswer(mockapi.Answer{Drip: time.Second})
				resp, _ = order()
				if text, slow := read(resp, 1000); !strings.Contains(text, `"version":"v1"`) || slow != time.Duration(len(text))*time.Second {
					t.Errorf("%q after %v", text, slow)
				}
				resp.Body.Close()

				api.SetAnswer(mockapi.Answer{Endless: true, Body: "and on "})
				resp, _ = order()
				if text, _ := read(resp, 1<<20); len(text) != 1<<20 || !strings.HasPrefix(text, "and on and on ") {
					t.Errorf("%d bytes", len(text))
				}
				resp.Body.Close()
				if n := len(api.Orders()); n != 3 {
					t.Errorf("%d orders", n)
				}
			})
		})
	}
}
