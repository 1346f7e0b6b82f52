package storetest

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source"
)

// Open opens a source string. The source must have the name.
func Open(t *testing.T, text, name string) source.Source {
	t.Helper()
	src, _, err := source.Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	if got := fmt.Sprint(src); got != name {
		t.Errorf("%s is called %s, want %s", text, got, name)
	}
	return src
}

// Invalid checks that source strings are refused, and that the errors do not quote their
// secrets (F103).
func Invalid(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		_, _, err := source.Parse(text)
		if !errors.Is(err, source.ErrInvalid) || strings.Contains(fmt.Sprint(err), conformance.Sentinel) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
