package gcp_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source"
)

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
		src, _, err := source.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(src); got != name {
			t.Errorf("%s is called %s, want %s", text, got, name)
		}
		if _, err := src.Read(t.Context()); !errors.Is(err, source.ErrDenied) || strings.Contains(err.Error(), conformance.Sentinel) {
			t.Errorf("with credentials that are none: %v", err)
		}
	}
	for _, text := range []string{
		"gcp://acme", "gcp://acme/", "gcp:///key", "gcp://acme/a/b/c", "gcp://acme/key?format=yaml",
		"gcp://acme/key?format=json&id=a", "gcp://acme/key?id=a&id=b", "gcp://acme/key?token=" + conformance.Sentinel, "gcp://u:p@acme/key",
	} {
		_, _, err := source.Parse(text)
		if !errors.Is(err, source.ErrInvalid) || strings.Contains(err.Error(), conformance.Sentinel) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
