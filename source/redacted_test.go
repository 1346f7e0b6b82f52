package source_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/field"
)

// A list of keys in JSON looks like a key document with [redacted] in place of each
// secret. No decoder reads it, or another text that a Secret prints, as a key.
//
// F94
func TestRedactedNeverBecomesAKey(t *testing.T) {
	s := source.NewSecret("sentinel-1")
	whole, err := json.Marshal(map[string][]source.Key{"keys": {{Version: "v1", Secret: s}}})
	if err != nil {
		t.Fatal(err)
	}
	extra := `{"keys":[{"version":"v1","secret":"sentinel-1","extra":{"passphrase":"` + s.String() + `"}}]}`
	for name, c := range map[string]struct {
		decode source.Decoder
		text   string
	}{
		"document":          {source.Document, string(whole)},
		"document's extra":  {source.Document, extra},
		"plain":             {source.Plain, s.String()},
		"pem":               {source.PEM, s.String()},
		"dotenv token":      {source.Dotenv("X"), fmt.Sprintf("X_API_KEY=%v", s)},
		"dotenv secret":     {source.Dotenv("X"), fmt.Sprintf("X_API_KEY=id\nX_API_SECRET='%v'", s)},
		"dotenv passphrase": {source.Dotenv("X"), fmt.Sprintf("X_API_KEY=id\nX_API_SECRET=sentinel-1\nX_API_PASSPHRASE=%v", s)},
		"field": {func(data []byte) (source.Set, error) {
			_, err := field.Secret(data)
			return source.Set{}, err
		}, s.String()},
	} {
		if set, err := c.decode([]byte(c.text)); !errors.Is(err, source.ErrInvalid) || len(set.Keys) > 0 {
			t.Errorf("%s: %d keys, %v", name, len(set.Keys), err)
		}
	}
}
