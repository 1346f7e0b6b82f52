package vault_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/storetest"
	"github.com/rollingkeys/rollingkeys/source/vault"
)

// F75, F77, F88, F92. The ring polls, because events may be lost.
func TestFaults(t *testing.T) {
	const secret = `{"errors":["` + conformance.Sentinel + `"]}`
	storetest.TestFaults(t, storetest.Table{
		Poll: time.Second, Parallel: true,
		More: []string{
			"sealed", "throttled", "internal error", "not authorized", "a page in place of an answer", "not KV version 2",
			"every version is deleted", "nothing but an empty version",
		},
		Open: func(t *testing.T) storetest.Store {
			s := newStore(t)
			g := newGate(t, s)
			file := filepath.Join(t.TempDir(), "token")
			login := func() {
				token := s.token(&api.TokenCreateRequest{Policies: []string{"reader"}})
				s.must(os.WriteFile(file, []byte(token), 0o600))
			}
			login()
			src, err := vault.New(g.client(), "secret", "key", vault.WithLogin(vault.TokenFile(file)))
			s.must(err)
			does := func(answer func(http.ResponseWriter) bool, want error) storetest.Fault {
				return storetest.Fault{Begin: func() { g.set(answer) }, Mend: func() { g.set(nil) }, Want: want, Missed: true}
			}
			drop := func(versions ...int) { s.must(s.kv.DeleteVersions(context.Background(), "key", versions)) }
			return storetest.Store{
				Source: src,
				Put:    func(n int) { s.write(map[string]any{"secret": conformance.NewKey(n).Secret.Expose()}) },
				Faults: map[string]storetest.Fault{
					"server killed and restarted": {Begin: s.Kill, Mend: s.Restart, Want: source.ErrUnavailable},
					"connection reset":            does(cut, source.ErrUnavailable),
					"no answer":                   {Begin: g.hang, Mend: g.release, Want: source.ErrUnavailable, Missed: true},
					"slow answers":                {Begin: func() { g.set(slow) }, Mend: func() { g.set(nil) }, Uses: 3},
					"permission revoked":          {Begin: func() { s.allow(nothing) }, Mend: func() { s.allow(reader) }, Want: source.ErrDenied, Missed: true},
					"token expired": {Begin: func() {
						data, err := os.ReadFile(file)
						s.must(err)
						s.must(s.root.Auth().Token().RevokeTree(string(data)))
					}, Mend: login, Want: source.ErrDenied, Missed: true},
					"secret deleted": {Begin: s.delete, Want: source.ErrNoKey},
					"rollback":       {Begin: func() { drop(2) }, Uses: 1},
					"empty version":  {Begin: func() { s.write(map[string]any{}) }},
					"pending version": {Begin: func() {
						s.custom(map[string]any{"v3.not_before": time.Now().Add(time.Hour).Format(time.RFC3339)})
						s.write(token("next"))
					}},

					"sealed":                       {Begin: func() { s.must(s.root.Sys().Seal()) }, Mend: s.Restart, Want: source.ErrUnavailable},
					"throttled":                    does(answers(429, secret), source.ErrUnavailable),
					"internal error":               does(answers(500, secret), source.ErrUnavailable),
					"not authorized":               does(answers(401, secret), source.ErrDenied),
					"a page in place of an answer": does(answers(200, "<html>"+conformance.Sentinel, "Content-Type", "text/html"), source.ErrUnavailable),
					"not KV version 2":             does(answers(400, secret), source.ErrInvalid),
					"every version is deleted":     {Begin: func() { drop(1, 2) }, Want: source.ErrNoKey},
					"nothing but an empty version": {Begin: func() { s.write(map[string]any{}); drop(1, 2) }, Want: source.ErrInvalid},
				},
			}
		},
	})
}

// F77: the ring gets the wait that the server asks for.
func TestPassesRetryAfterOn(t *testing.T) {
	s := newStore(t)
	g := newGate(t, s)
	g.set(answers(429, "", "Retry-After", "2"))
	src, err := vault.New(g.client(), "secret", "key")
	s.must(err)
	_, err = src.Read(t.Context())
	if typed := (*source.Error)(nil); !errors.As(err, &typed) || typed.RetryAfter != 2*time.Second {
		t.Errorf("%+v", typed)
	}
}

// The ring tries again, not the source: a reading that fails makes one call (F77).
func TestDoesNotInsist(t *testing.T) {
	s := newStore(t)
	g := newGate(t, s)
	client := g.client()
	client.SetMaxRetries(2) // the client's default
	src, err := vault.New(client, "secret", "key")
	s.must(err)
	g.set(answers(500, ""))
	if _, err := src.Read(t.Context()); !errors.Is(err, source.ErrUnavailable) {
		t.Fatal(err)
	}
	if n := g.count("/v1/secret/metadata/key"); n != 1 {
		t.Errorf("%d calls, want 1", n)
	}
}
