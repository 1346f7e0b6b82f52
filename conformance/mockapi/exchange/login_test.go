package exchange_test

import (
	"bytes"
	"net/http"
	"strconv"
	"testing"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/conformance/mockapi/exchange"
	"github.com/rollingkeys/rollingkeys/source"
)

// The login message that a profile makes of the ring's key is one that the
// exchange lets in; with another key's secret, or of a dead key, it is not. F26
func TestLogins(t *testing.T) {
	each(t, func(t *testing.T, name string) {
		p := profiles[name]()
		list := append([]exchange.Kind{exchange.HMAC}, kinds[name]...)
		if name == "binance" {
			list = []exchange.Kind{exchange.Ed25519} // what session.logon takes
		}
		for _, kind := range list {
			e := newExchange(t, name, exchange.WithKind(kind))
			if e.HasLogin() != (p.Login != nil) {
				t.Fatalf("login: mock %v, profile %v", e.HasLogin(), p.Login != nil)
			}
			if p.Login == nil {
				continue
			}
			api := mockapi.New(t, e.Options()...)
			key, other := api.Issue(mockapi.Spec{Scopes: []string{"trade"}}), api.Issue(mockapi.Spec{})
			login := func(key source.Key, change func([]byte) []byte) string {
				t.Helper()
				message, err := p.Login(key)
				if err != nil {
					t.Fatal(err)
				}
				req, err := e.Login(t.Context(), api.URL(), change(message))
				if err != nil {
					t.Fatal(err)
				}
				resp, err := api.Client().Do(req)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				var body bytes.Buffer
				if _, err := body.ReadFrom(resp.Body); err != nil {
					t.Fatal(err)
				}
				if resp.StatusCode != http.StatusOK {
					return ""
				}
				return body.String()
			}
			same := func(b []byte) []byte { return b }
			if got := login(key, same); got != `{"login":"v1"}` {
				t.Errorf("a good login: %q", got)
			}
			if got := login(key, hoursAgo); got == `{"login":"v1"}` {
				t.Error("a changed time was let in")
			}
			torn := key
			torn.Secret = other.Secret
			if got := login(torn, same); got == `{"login":"v1"}` {
				t.Error("a torn pair was let in")
			}
			if err := api.Revoke("v1"); err != nil {
				t.Fatal(err)
			}
			if got := login(key, same); got == `{"login":"v1"}` {
				t.Error("a dead key was let in")
			}
		}
	})
}

// hoursAgo puts the time of a login message hours back.
func hoursAgo(message []byte) []byte {
	now := millis()
	was := now[:5] // of seconds and milliseconds alike
	n, _ := strconv.Atoi(was)
	return bytes.ReplaceAll(message, []byte(was), []byte(strconv.Itoa(n-1)))
}
