package peers_test

import (
	"strings"
	"testing"

	"go.yaml.in/yaml/v2"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source"
)

// F94: marshaling to YAML, as prometheus/common does, shows no secret, and a Secret
// cannot be unmarshaled from YAML. The test is here because the core requires no YAML
// package.
func TestYAMLRedactsOrRefuses(t *testing.T) {
	key := conformance.NewKey(1)
	key.Extra = map[string]source.Secret{"passphrase": conformance.NewKey(2).Secret}
	for name, v := range map[string]any{
		"secret": key.Secret, "pointer": &key.Secret, "key": key, "set": source.Set{Keys: []source.Key{key}},
		"nested": map[string]any{"keys": []any{&key}},
	} {
		text, err := yaml.Marshal(v)
		if err == nil && !strings.Contains(string(text), "redacted") {
			t.Errorf("%s: neither redacted nor refused", name)
		}
		if strings.Contains(string(text), conformance.Sentinel) {
			t.Errorf("%s shows the secret", name)
		}
	}
	var back source.Secret
	if err := yaml.Unmarshal([]byte(`"[redacted]"`), &back); err == nil {
		t.Error("a Secret was unmarshaled from YAML")
	}
}
