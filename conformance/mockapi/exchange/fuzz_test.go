package exchange_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
)

// F112: the signature of each profile matches the request as received, whatever
// characters the order ID has, in a form, in JSON, in the path and in the query.
func FuzzSigned(f *testing.F) {
	for _, text := range []string{"a", "a b+c", "ä/%2F?&=#", "{\"nonce\":1}", "\x00\r\n", "..", "timestamp=1&signature="} {
		f.Add(text)
	}
	traders := make(map[string]*trader)
	for name, profile := range profiles {
		if name == "bitfinex" {
			continue // its order IDs are numbers
		}
		e := newExchange(f, name)
		api := mockapi.New(f, append(e.Options(), mockapi.WithMemory(), mockapi.WithLogLimit(100))...)
		traders[name] = newTrader(f, e, api, keys{api.Issue(mockapi.Spec{})}, profile(), nil)
	}
	f.Fuzz(func(t *testing.T, id string) {
		if id == "" || !utf8.ValidString(id) {
			return // JSON strings are valid UTF-8
		}
		for name, b := range traders {
			if err := b.place(t.Context(), id); err != nil {
				t.Errorf("%s: place: %v", name, err)
			}
			if err := b.cancel(t.Context(), id); err != nil {
				t.Errorf("%s: cancel: %v", name, err)
			}
			req, err := b.Read(t.Context(), b.api.URL())
			if err != nil {
				t.Fatal(err)
			}
			if req.URL.RawQuery != "" {
				req.URL.RawQuery += "&"
			}
			req.URL.RawQuery += "x" + url.QueryEscape(id) + "=" + strings.ReplaceAll(url.QueryEscape(id), "+", "%20")
			if name == "gemini" {
				continue // has no queries
			}
			if status, body, err := b.send(req); err != nil || status != http.StatusOK || !b.Answered(status, body) {
				t.Errorf("%s: read: %d %s, %v", name, status, body, err)
			}
		}
	})
}
