package conformance_test

import (
	"strings"
	"testing"

	"github.com/rollingkeys/rollingkeys/conformance"
)

// findings parses a list of the cases that must fail for a fault, with a part of the
// message of each, "Case: message; Case: message". The message makes sure that a case
// fails because of the fault.
func findings(want string) map[string]string {
	list := make(map[string]string)
	for _, f := range strings.Split(want, "; ") {
		if name, complaint, _ := strings.Cut(f, ": "); name != "" {
			list[name] = complaint
		}
	}
	return list
}

// others returns a Skip with all but the wanted cases.
func others(cases []conformance.Case, wanted func(name string) bool) map[string]string {
	skip := make(map[string]string)
	for _, c := range cases {
		if !wanted(c.Name) {
			skip[c.Name] = "not what the fault is about"
		}
	}
	return skip
}

// found checks that the wanted cases failed, each with its message, and no others.
func found(t *testing.T, fault string, results []conformance.Result, wanted map[string]string) {
	t.Helper()
	said := make(map[string]string)
	for _, r := range results {
		complaint, ok := wanted[r.Name]
		switch {
		case strings.Contains(r.Detail, conformance.Sentinel):
			t.Errorf("fault %q: the detail of %s contains a secret", fault, r.Name)
		case r.Outcome != conformance.Failed:
		case !ok || !strings.Contains(r.Detail, complaint):
			t.Errorf("fault %q: %s %s: %s", fault, r.Name, r.Protocol, r.Detail)
		default:
			said[r.Name] = r.Detail
		}
	}
	for name := range wanted {
		if said[name] == "" {
			t.Errorf("fault %q: the case %s did not find it", fault, name)
		}
	}
}

// eachFails checks that each case has at least one injected fault that it must find.
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
			t.Errorf("no injected fault fails the case %s", c.Name)
		}
	}
}
