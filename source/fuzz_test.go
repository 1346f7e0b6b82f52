package source_test

import (
	"encoding/pem"
	"errors"
	"strings"
	"testing"

	"github.com/rollingkeys/rollingkeys/source"
)

// F20, F112, F144: what the decoder returns is exactly one PEM block, and the same on one line.
func FuzzPEM(f *testing.F) {
	for _, text := range []string{
		"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
		"\ufeff\r\n-----BEGIN A-----\r\nk: v\r\n\r\nAAAA\r\n-----END A-----\r\n",
		"-----BEGIN A-----\nAAAA\n-----END A-----\n-----BEGIN B-----\nAAAA\n-----END B-----",
		`"-----BEGIN A-----\nAAAA\n-----END A-----\n"`, "-----BEGIN A----- AAAA -----END A-----", "  -----BEGIN A-----\n  AAAA\n  -----END A-----",
		"text\n-----BEGIN A-----\nAAAA\n-----END A-----", "-----BEGIN A-----\n-----END A-----", "",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		set, err := source.PEM(data)
		if err != nil {
			if !errors.Is(err, source.ErrInvalid) {
				t.Errorf("untyped error %v", err)
			}
			return
		}
		text := set.Keys[0].Secret.Expose()
		block, rest := pem.Decode([]byte(text))
		if block == nil || len(block.Bytes) == 0 || strings.TrimSpace(string(rest)) != "" {
			t.Errorf("%q is not one PEM block", text)
		}
		if again, err := source.PEM([]byte(text)); err != nil || again.Keys[0].Secret.Expose() != text {
			t.Errorf("what came out does not go in: %v", err)
		}
		escaped := `"` + strings.ReplaceAll(text, "\n", `\n`) + `\n"`
		if again, err := source.PEM([]byte(escaped)); !strings.Contains(text, `\`) && (err != nil || again.Keys[0].Secret.Expose() != text) {
			t.Errorf("%q: %v", escaped, err)
		}
	})
}
