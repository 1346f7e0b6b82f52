package conformance

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A Case describes one test of a suite.
type Case struct {
	// Name is the name of the subtest, and the key in the harness's Skip.
	Name string
	// Doc says in one sentence what must hold.
	Doc string
}

// limit is how long a case waits for a condition, unless the harness has a Limit.
const limit = 10 * time.Second

// patience returns the limit of the case t.
func patience(t testing.TB) time.Duration {
	switch s := t.(type) {
	case *transportTrial:
		return cmp.Or(s.h.Limit, limit)
	case *sourceTrial:
		return cmp.Or(s.h.Limit, limit)
	}
	return limit
}

// running are the cases that run now. A case that measures the process, such as its heap
// or its goroutines, runs alone. A sync.RWMutex would keep new cases from starting while
// such a case waits.
var running struct {
	sync.Mutex
	changed *sync.Cond
	cases   int
	alone   bool
}

func init() { running.changed = sync.NewCond(&running) }

// turn waits until the case t may run, which lasts until its cleanups have run.
func turn(t testing.TB, alone bool) {
	running.Lock()
	defer running.Unlock()
	for running.alone || alone && running.cases > 0 {
		running.changed.Wait()
	}
	running.cases++
	running.alone = alone
	if r, ok := t.(*record); ok {
		close(r.begun)
	}
	t.Cleanup(func() {
		running.Lock()
		defer running.Unlock()
		running.cases--
		running.alone = false
		running.changed.Broadcast()
	})
}

// eventually waits until ok returns true, and fails the test after patience(t).
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience(t)); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("waited %v in vain for: %s", patience(t), what)
		}
	}
}

// returns runs f, and fails the test if f does not return within patience(t).
func returns(t testing.TB, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	timer := time.NewTimer(patience(t))
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		t.Fatalf("%s did not return within %v", what, patience(t))
	}
}

// checkSkip fails the test if skip has an unknown name or an empty reason.
func checkSkip(t testing.TB, skip map[string]string, names []string) {
	t.Helper()
	for name, reason := range skip {
		if !slices.Contains(names, name) {
			t.Fatalf("the harness's Skip has the unknown case %q; the cases are %s", name, strings.Join(names, ", "))
		}
		if strings.TrimSpace(reason) == "" {
			t.Fatalf("the harness's Skip has no reason for %s", name)
		}
	}
}

// need fails the case if the harness lacks a field that the case needs.
func need(t testing.TB, field string, there bool) {
	t.Helper()
	if !there {
		t.Fatalf("the harness has no %s: set it, or put the case into Skip with the reason", field)
	}
}
