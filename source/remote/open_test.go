package remote_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/rollingkeys/rollingkeys/source"
)

func init() {
	source.Register("remotetest", func(*url.URL, url.Values) (source.Source, error) { return static(sentinel), nil })
}

func TestParse(t *testing.T) {
	for name, tc := range map[string]struct {
		query, want, header string
		options             int
	}{
		"bare":       {"", "", "", 0},
		"endpoint's": {"?b=2&a=%2F&b=1&c", "b=2&a=%2F&b=1&c", "", 0},
		"others":     {"?count=1&fields=a&page=2&kid=x&name=poll", "count=1&fields=a&page=2&kid=x&name=poll", "", 0}, // F152
		"ring's":     {"?b=2&poll=30s&overlap=1h&a", "b=2&a", "", 2},
		"bearer":     {"?remote_auth=remotetest://x&a=1", "a=1", "Bearer " + sentinel, 0},
		"header":     {"?a=1&remote_auth=remotetest%3A%2F%2Fx&remote_header=Authorization", "a=1", sentinel, 0},
		"no wait":    {"?remote_wait=0", "", "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.RawQuery != tc.want || r.Header.Get("Authorization") != tc.header {
					t.Errorf("query %q, header %q", r.URL.RawQuery, r.Header.Get("Authorization"))
				}
				writeJSON(w, document("v1"))
			}))
			t.Cleanup(srv.Close)
			src, opts, err := source.Parse(srv.URL + "/keys" + tc.query)
			if err != nil {
				t.Fatal(err)
			}
			if len(opts) != tc.options {
				t.Errorf("%d options, want %d", len(opts), tc.options)
			}
			current(t, src)
		})
	}
}

// F56, F103
func TestParseRefuses(t *testing.T) {
	for _, s := range []string{
		"http://keys.example.com/",
		"https://user:" + sentinel + "@keys.example.com/",
		"https://keys.example.com/?remote_wait=" + sentinel,
		"https://keys.example.com/?remote_wait=-1s",
		"https://keys.example.com/?remote_wait=1s&remote_wait=2s",
		"https://keys.example.com/?remote_header=X-Token",
		"https://keys.example.com/?remote_auth=" + sentinel,
		"https://keys.example.com/?remote_auth=remotetest%3A%2F%2Fx%3Fpoll%3D1s",
		"https://keys.example.com/?remote_auth=remotetest://x&remote_header=X%20Token",
		// F152
		"https://keys.example.com/?ca_file=/" + sentinel,
		"https://keys.example.com/?format=json",
		"https://keys.example.com/?a=1&password_env=X",
		"https://keys.example.com/?overlapp=1h",
		"https://keys.example.com/?Poll=1m",
		"https://keys.example.com/?max-stale=1h",
		"https://keys.example.com/?remote_wiat=0",
		"https://keys.example.com/?remote_auht=" + sentinel,
		"https://keys.example.com/?cafile=/x",
	} {
		_, _, err := source.Parse(s)
		checkError(t, err, source.ErrInvalid)
	}
}
