package gcp_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/storetest"
)

// F103
func TestParse(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "credentials.json")
	if err := os.WriteFile(broken, []byte(conformance.Sentinel), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", broken)
	for text, name := range map[string]string{
		"gcp://acme/token?poll=1m":          "gcp://acme/token",
		"gcp://acme/europe-west3/token":     "gcp://acme/europe-west3/token",
		"gcp://acme/keys?format=json":       "gcp://acme/keys",
		"gcp://acme/key?id=user&secret=pwd": "gcp://acme/key",
	} {
		src := storetest.Open(t, text, name)
		if _, err := src.Read(t.Context()); !errors.Is(err, source.ErrDenied) || strings.Contains(err.Error(), conformance.Sentinel) {
			t.Errorf("with credentials that are none: %v", err)
		}
	}
	storetest.Invalid(t,
		"gcp://acme", "gcp://acme/", "gcp:///key", "gcp://acme/a/b/c", "gcp://acme/key?format=yaml",
		"gcp://acme/key?format=json&id=a", "gcp://acme/key?id=a&id=b", "gcp://acme/key?token="+conformance.Sentinel, "gcp://u:p@acme/key",
	)
}
