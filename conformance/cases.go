package conformance

import (
	"cmp"
	"slices"
	"strings"
	"testing"
	"time"
)

// A Case is one thing that a suite checks.
type Case struct {
	// Name is the subtest's name, and the key of Skip.
	Name string
	// Doc says in one sentence what must hold.
	Doc string
}

// limit is how long a case waits for what must come, unless its harness says
// otherwise, and how long a request may take.
const limit = 10 * time.Second

// patience returns the limit of the case that t is.
func patience(t testing.TB) time.Duration {
	switch s := t.(type) {
	case *transportTrial:
		return cmp.Or(s.h.Limit, limit)
	case *sourceTrial:
		return cmp.Or(s.h.Limit, limit)
	}
	return limit
}

// eventually waits until ok is true, and fails the test if it never is.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience(t)); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("never came: %s", what)
		}
	}
}

// returns waits until f has returned, and fails the test if it does not.
func returns(t testing.TB, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	timer := time.NewTimer(patience(t))
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		t.Fatalf("%s does not return", what)
	}
}

// checkSkip refuses reasons that are empty or belong to no case.
func checkSkip(t testing.TB, skip map[string]string, names []string) {
	t.Helper()
	for name, reason := range skip {
		if !slices.Contains(names, name) {
			t.Fatalf("Skip names %q, which is no case; there are %s", name, strings.Join(names, ", "))
		}
		if strings.TrimSpace(reason) == "" {
			t.Fatalf("Skip of %s has no reason", name)
		}
	}
}

// need fails a case whose part of the harness is missing.
func need(t testing.TB, field string, there bool) {
	t.Helper()
	if !there {
		t.Fatalf("the harness has no %s: give it one, or say in Skip why there is none", field)
	}
}
