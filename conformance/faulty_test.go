package conformance_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/rollingkeys/rollingkeys/conformance"
)

// eachFails checks that for each case there is a fault, put in on purpose, that
// it must find: a case that nothing can fail proves nothing. base lists those
// that what has no fault put in fails too.
func eachFails(t *testing.T, cases []conformance.Case, faults map[string]string, base ...string) {
	t.Helper()
	found := base
	for _, want := range faults {
		found = append(found, strings.Fields(want)...)
	}
	for _, c := range cases {
		if !slices.Contains(found, c.Name) {
			t.Errorf("no fault fails %s", c.Name)
		}
	}
}
