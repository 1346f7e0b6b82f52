package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source"
)

// A suite that passes everything proves nothing: each fault that is put into a
// source on purpose fails the case that is there for it, and the source without
// faults fails none.
func TestSourceSuiteFindsFaults(t *testing.T) {
	faults := map[string]string{
		"":                 "",
		"drops the id":     "FirstValue",
		"key of its own":   "NoValueYet",
		"only newer":       "Rollback",
		"never forgets":    "Delete",
		"waits for notice": "Poll",
		"first context":    "Close",
		"empty key":        "Empty",
		"untyped error":    "Broken",
		"secret in error":  "Denied",
		"secret in name":   "Secrecy",
		"secret in status": "Poll",
		"half a key":       "Torn",
		"shared maps":      "OwnCopy",
		"deaf":             "Push",
		"never armed":      "Arm",
		"context unnamed":  "Cancel",
		"ignores context":  "Hang",
		"no way to hang":   "Hang",
		"leaks":            "Leaks",
		"forgets the rest": "Update",
		"renames":          "SameContent",
		"mixes pairs":      "Concurrent",
	}
	eachFails(t, conformance.SourceCases(), faults)
	// All at once, and not two at a time as t.Parallel runs them on two CPUs: most
	// of the time they wait for what never comes.
	var wg sync.WaitGroup
	defer wg.Wait()
	for fault, want := range faults {
		wg.Go(func() { findsFault(t, fault, want) })
	}
}

// findsFault checks that the suite finds the fault in the case want, and no
// other; with the fault "", in none.
func findsFault(t *testing.T, fault, want string) {
	skip := make(map[string]string)
	for _, c := range conformance.SourceCases() {
		if want != "" && c.Name != want {
			skip[c.Name] = "not what the fault is about"
		}
	}
	if want != "Leaks" {
		skip["Leaks"] = "goroutines of the other faults would be taken for leaks"
	}
	last := make(chan struct{})
	defer close(last)
	for _, r := range conformance.SourceResults(t, faulty(fault, skip, last)) {
		switch {
		case r.Outcome == conformance.Failed && r.Name != want:
			t.Errorf("fault %q: %s: %s", fault, r.Name, r.Detail)
		case r.Outcome != conformance.Failed && r.Name == want:
			t.Errorf("fault %q: %s %s", fault, r.Name, r.Outcome)
		case strings.Contains(r.Detail, conformance.Sentinel):
			t.Errorf("fault %q: the detail of %s holds a secret", fault, r.Name)
		}
	}
}

// TestSourceSuiteFindsWhatStays runs alone: goroutines of other faults would be
// taken for leaks (F104).
func TestSourceSuiteFindsWhatStays(t *testing.T) {
	findsFault(t, "stays for good", "Leaks")
}

// faulty is a harness for a source with the fault; last ends what outlives even
// the case.
func faulty(fault string, skip map[string]string, last <-chan struct{}) conformance.SourceHarness {
	return conformance.SourceHarness{
		New: func(t testing.TB) conformance.SourceBackend {
			m := &memory{fault: fault, end: make(chan struct{}), last: last, err: source.ErrNoKey}
			t.Cleanup(func() { close(m.end) })
			good := func() { m.fail(nil) }
			b := conformance.SourceBackend{
				Source: m, Put: m.put, Delete: func() { m.fail(source.ErrNoKey) },
				Break: func() { m.fail(source.ErrUnavailable) }, Repair: good,
				Deny: func() { m.fail(source.ErrDenied) }, Restore: good,
				Hang: func() { m.fail(errHang) },
				Tear: m.tear,
			}
			if fault == "no way to hang" {
				b.Hang = nil
			}
			return b
		},
		Key: func(n int) source.Key {
			key := conformance.NewKey(n)
			key.ID = fmt.Sprint("id-", n)
			key.Metadata = map[string]string{"owner": "conformance"}
			return key
		},
		Lists: true,
		Skip:  skip,
	}
}

// memory is a source in memory with one fault.
type memory struct {
	fault string
	end   chan struct{}
	last  <-chan struct{}

	mu      sync.Mutex
	keys    []source.Key
	err     error
	reads   int
	first   context.Context // of the first reading
	held    []source.Key    // what was read when last told of a change
	changed []chan struct{}
}

func (m *memory) String() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fault == "secret in name" && len(m.keys) > 0 {
		return "memory://" + m.keys[0].Secret.Expose()
	}
	return "memory"
}

func (m *memory) put(keys ...source.Key) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fault == "mixes pairs" && len(m.keys) > 0 { // one field after the other
		m.keys[0].ID = keys[0].ID
		for n, before := 0, m.reads; n < 1_000_000 && m.reads < before+2; n++ {
			m.mu.Unlock()
			runtime.Gosched()
			m.mu.Lock()
		}
	}
	if m.fault == "only newer" && len(keys) > 0 && len(m.keys) > 0 && keys[0].Version < m.keys[0].Version {
		return
	}
	m.keys, m.err = keys, nil
	m.notify()
}

func (m *memory) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fault == "never forgets" && err == source.ErrNoKey {
		return
	}
	m.err = err
	m.notify()
}

func (m *memory) tear(next source.Key) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = source.ErrInvalid
	if m.fault == "half a key" {
		text := next.Secret.Expose()
		next.Secret = source.NewSecret(text[:len(text)/2])
		m.keys, m.err = []source.Key{next}, nil
	}
	m.notify()
}

func (m *memory) notify() {
	for _, c := range m.changed {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

func (m *memory) Read(ctx context.Context) (source.Set, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reads++
	if m.err == errHang {
		m.mu.Unlock()
		if m.fault == "ignores context" {
			<-m.end
		}
		<-ctx.Done()
		m.mu.Lock()
	}
	if m.fault == "stays for good" && m.reads == 1 {
		go func() { <-m.last }()
	}
	if m.fault == "leaks" {
		go func() { <-m.end }()
	}
	fail := func(err error) (source.Set, error) { return source.Set{}, &source.Error{Source: "memory", Err: err} }
	if m.first == nil {
		m.first = ctx
	}
	switch {
	case m.fault == "first context" && m.first.Err() != nil:
		return fail(fmt.Errorf("%w: %w", source.ErrUnavailable, m.first.Err()))
	case m.fault == "key of its own" && m.keys == nil:
		return source.Set{Keys: []source.Key{conformance.NewKey(0)}, Complete: true}, nil
	case ctx.Err() != nil && m.fault == "context unnamed":
		return fail(source.ErrUnavailable)
	case ctx.Err() != nil:
		return fail(fmt.Errorf("%w: %w", source.ErrUnavailable, ctx.Err()))
	case m.err == source.ErrUnavailable && m.fault == "untyped error":
		return source.Set{}, errors.New("down")
	case m.err == source.ErrDenied && m.fault == "secret in error":
		return fail(fmt.Errorf("%w: %s", m.err, m.keys[0].Secret.Expose()))
	case m.err != nil:
		return fail(m.err)
	case len(m.keys) == 0 && m.fault == "empty key":
		return source.Set{Keys: []source.Key{{Version: "v0", Secret: source.NewSecret(" ")}}, Complete: true}, nil
	case len(m.keys) == 0:
		return fail(source.ErrNoKey)
	}
	keys := m.keys
	if m.fault == "waits for notice" {
		if m.held == nil {
			m.held = keys
		}
		keys = m.held
	}
	set := source.Set{Complete: true}
	for _, key := range keys {
		if m.fault == "drops the id" {
			key.ID = ""
		}
		if m.fault != "shared maps" {
			key = key.Clone()
		}
		if m.fault == "renames" {
			key.Version = fmt.Sprint(key.Version, ".", m.reads)
		}
		set.Keys = append(set.Keys, key)
	}
	if m.fault == "secret in status" && len(keys) == 2 { // the third is in no event
		old := conformance.NewKey(0)
		old.Version = old.Secret.Expose()
		set.Keys = append(set.Keys, old)
	}
	if m.fault == "forgets the rest" {
		set.Keys = set.Keys[:1]
	}
	return set, nil
}

func (m *memory) Notify(ctx context.Context, changed func()) error {
	c := make(chan struct{}, 1)
	m.mu.Lock()
	m.changed = append(m.changed, c)
	m.mu.Unlock()
	if m.fault == "never armed" {
		<-ctx.Done()
		return nil
	}
	changed()
	for {
		select {
		case <-c:
			if m.fault != "deaf" {
				changed()
			}
		case <-ctx.Done():
			return nil
		}
	}
}
