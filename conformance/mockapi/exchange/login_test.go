package exchange_test

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/conformance/mockapi/exchange"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

// The exchange accepts the login message that a profile makes with the ring's key,
// but not one with the secret of another key or with a refused key. F26
func TestLogins(t *testing.T) {
	each(t, func(t *testing.T, name string) {
		p := profiles[name]()
		list := kindsOf(name)
		if name == "binance" {
			list = []exchange.Kind{exchange.Ed25519} // session.logon accepts Ed25519 only
		}
		for _, kind := range list {
			e := newExchange(t, name, exchange.WithKind(kind))
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
				if v, ok := p.LoginVerdict(body.Bytes()); !ok || v != transport.Passed {
					return fmt.Sprintf("verdict %d of %s", v, body.String())
				}
				return resp.Header.Get(mockapi.VersionHeader)
			}
			same := func(b []byte) []byte { return b }
			if got := login(key, same); got != "v1" {
				t.Errorf("a good login: %q", got)
			}
			if got := login(key, hoursAgo); got == "v1" {
				t.Error("a changed time was let in")
			}
			torn := key
			torn.Secret = other.Secret
			if got := login(torn, same); got == "v1" {
				t.Error("a torn pair was let in")
			}
			if err := api.Revoke("v1"); err != nil {
				t.Fatal(err)
			}
			if got := login(key, same); got == "v1" {
				t.Error("a dead key was let in")
			}
		}
	})
}

// hoursAgo sets the time of a login message back by hours.
func hoursAgo(message []byte) []byte {
	now := millis()
	was := now[:5] // the same for seconds and milliseconds
	n, _ := strconv.Atoi(was)
	return bytes.ReplaceAll(message, []byte(was), []byte(strconv.Itoa(n-1)))
}

// A bot that uses only the WebSocket reports the results of its logins to the ring.
// Its logins fall back and recover like requests. F60, F65, F66
func TestLoginsFallBack(t *testing.T) {
	for name, profile := range profiles {
		p := profile()
		if p.Login == nil {
			continue
		}
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				kind := exchange.HMAC
				if name == "binance" {
					kind = exchange.Ed25519
				}
				e := newExchange(t, name, exchange.WithKind(kind))
				api := mockapi.New(t, append(e.Options(), mockapi.WithMemory())...)
				k1, k2 := api.Issue(mockapi.Spec{}), api.Issue(mockapi.Spec{Inactive: true})
				b := newTrader(t, e, api, keys{k2, k1}, p, nil)
				logsIn := func(with source.Key) {
					t.Helper()
					if got := b.login(t, p); got != with.Version {
						t.Errorf("logged in with %q, want %s", got, with.Version)
					}
				}
				logsIn(k1)
				if err := api.Activate(k2.Version); err != nil {
					t.Fatal(err)
				}
				logsIn(k1) // the new key is held off
				time.Sleep(2 * time.Minute)
				logsIn(k2)
				if s := b.ring.Status(); s.InUse != k2.Version || s.Current.State != ring.StateAccepted {
					t.Errorf("in use %s, current %s", s.InUse, s.Current.State)
				}
				if err := api.Revoke(k1.Version); err != nil {
					t.Fatal(err)
				}
				if err := api.Revoke(k2.Version); err != nil {
					t.Fatal(err)
				}
				if got := b.login(t, p); got != "" {
					t.Errorf("logged in with %q, which is dead", got)
				}
			})
		})
	}
}

// login logs in as the documentation of package provider says, and returns the
// version that the exchange accepted.
func (b *trader) login(t *testing.T, p provider.Profile) string {
	t.Helper()
	attempt, err := b.ring.Attempt(t.Context(), true)
	for ok := err == nil; ok; {
		message, err := p.Login(attempt.Key())
		if err != nil {
			t.Fatal(err)
		}
		req, err := b.Login(t.Context(), b.api.URL(), message)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := b.api.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		switch verdict, known := p.LoginVerdict(body); verdict {
		case transport.Passed:
			if !known {
				t.Fatalf("the profile does not know the answer %s", body)
			}
			attempt.Accepted()
			return resp.Header.Get(mockapi.VersionHeader)
		case transport.RefusedUnapplied, transport.Ambiguous:
			ok = attempt.Next(t.Context(), verdict == transport.Ambiguous)
		default:
			t.Fatalf("verdict %d of %s", verdict, body)
		}
	}
	return ""
}
