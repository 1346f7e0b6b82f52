package vault_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source/internal/storetest"
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
