package conformance

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// An Outcome says how a case ended.
type Outcome string

// The outcomes.
const (
	Passed  Outcome = "passed"
	Failed  Outcome = "failed"
	Skipped Outcome = "skipped" // the harness's Skip has a reason
)

// A Result is the result of one case, as returned by [SourceResults],
// [TransportResults] and [APIResults].
type Result struct {
	Case
	// Protocol is [HTTP1] or [HTTP2] for a transport case, else empty.
	Protocol string
	Outcome  Outcome
	// Detail is the reason for a skip, or the first failure message.
	Detail string
}

// caseLimit is how long a case may take, from its turn, before judge counts it as hanging.
const caseLimit = 60 * time.Second

// judge runs one case and returns its result. A failed case does not fail t.
func judge(t testing.TB, c Case, try func(testing.TB)) Result {
	ctx, cancel := context.WithCancel(t.Context())
	r := &record{TB: t, ctx: ctx, begun: make(chan struct{})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer r.clean(cancel)
		defer func() {
			if p := recover(); p != nil {
				r.complain(fmt.Sprintf("panic: %v", p))
			}
		}()
		try(r)
	}()
	select {
	case <-done:
	case <-r.begun:
	}
	timer := time.NewTimer(caseLimit)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		r.complain(fmt.Sprintf("the case did not end within %v", caseLimit))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case len(r.complaints) > 0:
		return Result{Case: c, Outcome: Failed, Detail: r.complaints[0]}
	case r.skipped != "":
		return Result{Case: c, Outcome: Skipped, Detail: r.skipped}
	}
	return Result{Case: c, Outcome: Passed}
}

// A record is a testing.TB that records failures and skips. Methods that it does
// not override, such as TempDir, are those of the embedded test.
type record struct {
	testing.TB
	ctx   context.Context
	begun chan struct{} // closed when the case has its turn

	mu         sync.Mutex
	complaints []string
	skipped    string
	cleanups   []func()
}

func (r *record) complain(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.complaints = append(r.complaints, strings.TrimSpace(text))
}

// clean cancels the context and runs the cleanups in reverse order, like package testing.
func (r *record) clean(cancel context.CancelFunc) {
	cancel()
	r.mu.Lock()
	list := r.cleanups
	r.mu.Unlock()
	for _, f := range slices.Backward(list) {
		f()
	}
}

func (r *record) Context() context.Context { return r.ctx }

func (r *record) Cleanup(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cleanups = append(r.cleanups, f)
}

func (r *record) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.complaints) > 0
}

func (r *record) Helper()                   {}
func (r *record) Log(...any)                {}
func (r *record) Logf(string, ...any)       {}
func (r *record) Error(args ...any)         { r.complain(fmt.Sprintln(args...)) }
func (r *record) Errorf(f string, a ...any) { r.complain(fmt.Sprintf(f, a...)) }
func (r *record) Fail()                     { r.complain("failed") }
func (r *record) FailNow()                  { r.Fail(); runtime.Goexit() }
func (r *record) Fatal(args ...any)         { r.Error(args...); runtime.Goexit() }
func (r *record) Fatalf(f string, a ...any) { r.Errorf(f, a...); runtime.Goexit() }
func (r *record) Skip(args ...any)          { r.skip(fmt.Sprint(args...)) }
func (r *record) Skipf(f string, a ...any)  { r.skip(fmt.Sprintf(f, a...)) }
func (r *record) SkipNow()                  { r.skip("skipped") }

func (r *record) skip(reason string) {
	r.mu.Lock()
	r.skipped = reason
	r.mu.Unlock()
	runtime.Goexit()
}
