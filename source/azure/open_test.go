package azure_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source"
)

func TestParse(t *testing.T) {
	for text, name := range map[string]string{
		"azure://acme/token?poll=1m":          "azure://acme/token",
		"azure://acme.vault.azure.cn/token":   "azure://acme.vault.azure.cn/token",
		"azure://acme/keys?format=json":       "azure://acme/keys",
		"azure://acme/key?id=user&secret=pwd": "azure://acme/key",
	} {
		src, _, err := source.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(src); got != name {
			t.Errorf("%s is called %s, want %s", text, got, name)
		}
	}
	for _, text := range []string{
		"azure://acme", "azure://acme/", "azure:///key", "azure://acme/a/b", "azure://acme/key?format=yaml",
		"azure://acme/key?format=json&id=a", "azure://acme/key?id=a&id=b", "azure://acme/key?token=" + conformance.Sentinel, "azure://u:p@acme/key",
	} {
		_, _, err := source.Parse(text)
		if !errors.Is(err, source.ErrInvalid) || strings.Contains(err.Error(), conformance.Sentinel) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
