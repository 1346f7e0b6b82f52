package vault_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/storetest"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// F103
func TestParse(t *testing.T) {
	s := newStore(t)
	s.write(map[string]any{"user": "id-1", "pass": "sentinel-s-1"})
	role, secretFile, _ := s.appRole("1h", "2h")
	file := filepath.Join(t.TempDir(), "token")
	s.must(os.WriteFile(file, []byte(s.client.Token()), 0o600))
	id, err := os.ReadFile(secretFile)
	s.must(err)
	t.Setenv("VAULT_ADDR", s.Address)
	for _, tc := range []struct{ text, token, secretID string }{
		{"vault:///secret/key?id=user&secret=pass", s.client.Token(), ""},
		{"vault:///secret/key?secret=pass&mount=secret&poll=1m", s.client.Token(), ""},
		{"vault:///secret/key?secret=pass&token_file=" + file, "", ""},
		{"vault:///secret/key?secret=pass&role_id=" + role + "&secret_id_file=" + secretFile, "", ""},
		{"vault:///secret/key?secret=pass&auth_mount=approle&role_id=" + role, "", string(id)},
	} {
		t.Setenv("VAULT_TOKEN", tc.token)
		t.Setenv("VAULT_SECRET_ID", tc.secretID)
		src := storetest.Open(t, tc.text, strings.Replace(s.Address, "http", "vault", 1)+"/secret/key")
		if set := storetest.Read(t, src, 1); set.Keys[0].Secret.Expose() != "sentinel-s-1" {
			t.Errorf("%s does not read the field", tc.text)
		}
	}
	storetest.Invalid(t,
		"vault:///secret", "vault:///", "vault:///secret/key?mount=other", "vault:///s/k?format=plain", "vault:///s/k?format=json&id=a",
		"vault:///s/k?id=a&id=b", "vault:///s/k?token="+conformance.Sentinel, "vault:///s/k?secret_id_file=/x",
		"vault:///s/k?token_file=/x&role_id=r", "vault://u:p@h/s/k",
	)
	storetest.Open(t, "vault://vault.example.com:8200/team/kv/key?mount=team/kv", "vault://vault.example.com:8200/team/kv/key")
}

// F104: a source from a string closes its connections when its ring is closed, and after a
// reading that failed.
func TestConnectionsOfASourceString(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		const version = `"created_time": "2026-11-24T09:00:00Z", "deletion_time": "", "destroyed": false`
		switch r.URL.Path {
		case "/v1/secret/metadata/key":
			fmt.Fprintf(w, `{"data": {"versions": {"1": {%s}}}}`, version)
		case "/v1/secret/data/key":
			fmt.Fprintf(w, `{"data": {"data": {"secret": "sentinel-s-1"}, "metadata": {"version": 1, %s}}}`, version)
		default:
			http.NotFound(w, r)
		}
	}))
	opened := &storetest.Listener{Listener: server.Listener}
	server.Listener = opened
	server.Start()
	t.Cleanup(server.Close)
	t.Setenv("VAULT_ADDR", server.URL)
	t.Setenv("VAULT_TOKEN", "sentinel-t-1")
	src, _, err := source.Parse("vault:///secret/key")
	if err != nil {
		t.Fatal(err)
	}
	keys, err := ring.Keep(t.Context(), src, ring.WithLogger(nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := keys.Close(); err != nil {
		t.Fatal(err)
	}
	opened.Gone(t)
	absent, _, err := source.Parse("vault:///secret/absent")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := absent.Read(t.Context()); err == nil {
		t.Error("the secret is absent, and Read returned no error")
	}
	opened.Gone(t)
}
