package azure_test

import (
	"testing"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source/internal/storetest"
)

// F103
func TestParse(t *testing.T) {
	for text, name := range map[string]string{
		"azure://acme/token?poll=1m":          "azure://acme/token",
		"azure://acme.vault.azure.cn/token":   "azure://acme.vault.azure.cn/token",
		"azure://acme/keys?format=json":       "azure://acme/keys",
		"azure://acme/key?id=user&secret=pwd": "azure://acme/key",
	} {
		storetest.Open(t, text, name)
	}
	storetest.Invalid(t,
		"azure://acme", "azure://acme/", "azure:///key", "azure://acme/a/b", "azure://acme/key?format=yaml",
		"azure://acme/key?format=json&id=a", "azure://acme/key?id=a&id=b", "azure://acme/key?token="+conformance.Sentinel, "azure://u:p@acme/key",
	)
}
