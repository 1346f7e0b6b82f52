package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source"
)

// A suite that passes everything proves nothing: each fault that is put into a
// source on purpose fails the case that is there for it, and the source without
// faults fails none.
func TestSourceSuiteFindsFaults(t *testing.T) {
	faults := map[string]string{
		"":                 "",
		"drops the id":     "FirstValue: not number 1 whole",
		"key of its own":   "NoValueYet: the error is <nil>",
		"only newer":       "Rollback: read 2 keys, want 1",
		"never forgets":    "Delete: the error is <nil>",
		"waits for notice": "Poll: never came: the new key by polling",
		"first context":    "Close: context canceled",
		"empty key":        "Empty: the error is <nil>",
		"untyped error":    "Broken: the error is down",
		"secret in error":  "Denied: holds a secret",
		"secret in name":   "Secrecy: holds a secret",
		"secret in status": "Poll: holds a secret",
		"half a key":       "Torn: read half a key",
		"shared maps":      "OwnCopy: share their metadata",
		"deaf":             "Push: the new key by notice",
		"never armed":      "Arm: never called changed",
		"context unnamed":  "Cancel: does not wrap its error",
		"ignores context":  "Hang: does not return",
		"no way to hang":   "Hang: the harness has no Hang",
		"leaks":            "Leaks: the end of every goroutine",
		"forgets the rest": "Update: read 1 keys, want 2",
		"renames":          "SameContent: goes from version",
		"mixes pairs":      "Concurrent: parts of two",
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

// findsFault checks that the suite finds the fault as wanted, and in no other case;
// with the fault "", in none.
func findsFault(t *testing.T, fault, want string) {
	wanted := findings(want)
	_, leaks := wanted["Leaks"]
	skip := others(conformance.SourceCases(), func(name string) bool {
		_, ok := wanted[name]
		return ok || fault == "" && name != "Leaks" // goroutines of the other faults would be taken for leaks
	})
	last := make(chan struct{})
	defer close(last)
	h := faulty(fault, skip, last)
	if fault != "" { // what must pass has as long as with any source
		h.Limit = 2 * time.Second
	}
	if leaks {
		h.Limit = 500 * time.Millisecond
	}
	found(t, fault, conformance.SourceResults(t, h), wanted)
}

// TestSourceSuiteFindsWhatStays runs alone: goroutines of other faults would be
// taken for leaks (F104).
func TestSourceSuiteFindsWhatStays(t *testing.T) {
	findsFault(t, "stays for good", "Leaks: the end of every goroutine")
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
