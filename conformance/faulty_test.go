package conformance_test

import (
	"strings"
	"testing"

	"github.com/rollingkeys/rollingkeys/conformance"
)

// findings are the cases that must fail for a fault, and what each must complain of,
// so that none fails for another reason: "Case: complaint; Case: complaint".
func findings(want string) map[string]string {
	list := make(map[string]string)
	for _, f := range strings.Split(want, "; ") {
		if name, complaint, _ := strings.Cut(f, ": "); name != "" {
			list[name] = complaint
		}
	}
	return list
}

// others is a Skip that leaves in the wanted cases.
func others(cases []conformance.Case, wanted func(name string) bool) map[string]string {
	skip := make(map[string]string)
	for _, c := range cases {
		if !wanted(c.Name) {
			skip[c.Name] = "not what the fault is about"
		}
	}
	return skip
}

// found checks that with a fault the wanted cases failed, each with its complaint, and
// no other.
func found(t *testing.T, fault string, results []conformance.Result, wanted map[string]string) {
	t.Helper()
	said := make(map[string]string)
	for _, r := range results {
		complaint, ok := wanted[r.Name]
		switch {
		case strings.Contains(r.Detail, conformance.Sentinel):
			t.Errorf("fault %q: the detail of %s holds a secret", fault, r.Name)
		case r.Outcome != conformance.Failed:
		case !ok || !strings.Contains(r.Detail, complaint):
			t.Errorf("fault %q: %s %s: %s", fault, r.Name, r.Protocol, r.Detail)
		default:
			said[r.Name] = r.Detail
		}
	}
	for name := range wanted {
		if said[name] == "" {
			t.Errorf("fault %q: %s did not find it", fault, name)
		}
	}
}

// eachFails checks that for each case there is a fault, put in on purpose, that
// it must find: a case that nothing can fail proves nothing.
func eachFails(t *testing.T, cases []conformance.Case, faults ...map[string]string) {
	t.Helper()
	fails := make(map[string]bool)
	for _, list := range faults {
		for _, want := range list {
			for name := range findings(want) {
				fails[name] = true
			}
		}
	}
	for _, c := range cases {
		if !fails[c.Name] {
			t.Errorf("no fault fails %s", c.Name)
		}
	}
}
