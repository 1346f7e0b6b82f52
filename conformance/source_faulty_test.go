package conformance_test

import (
	"cmp"
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

// Each fault injected into a source fails the case that looks for it. The source without
// a fault passes all cases.
func TestSourceSuiteFindsFaults(t *testing.T) {
	t.Parallel()
	faults := map[string]string{
		"":                 "",
		"drops the id":     "FirstValue: differs from the harness's Key(1)",
		"key of its own":   "NoValueYet: error <nil>",
		"only newer":       "Rollback: Read returned 2 keys, want 1",
		"never forgets":    "Delete: error <nil>",
		"waits for notice": "Poll: in vain for: the new key by polling",
		"first context":    "Close: context canceled",
		"empty key":        "Empty: error <nil>",
		"untyped error":    "Broken: error down",
		"secret in error":  "Denied: contains a secret",
		"secret in name":   "Secrecy: contains a secret",
		"secret in status": "Poll: contains a secret",
		"half a key":       "Torn: a half-written key",
		"shared maps":      "OwnCopy: share the map Metadata",
		"deaf":             "Push: the new key by notice",
		"never armed":      "Arm: never called changed",
		"context unnamed":  "Cancel: want one that wraps context.Canceled",
		"ignores context":  "Hang: did not return",
		"no way to hang":   "Hang: the harness has no Hang",
		"leaks":            "Leaks: all goroutines that the case started",
		"stays for good":   "Leaks: all goroutines that the case started", // F104
		"forgets the rest": "Update: Read returned 1 keys, want 2",
		"renames":          "SameContent: the same key had version name",
		"mixes pairs":      "Concurrent: parts of two",
	}
	eachFails(t, conformance.SourceCases(), faults)
	for fault, want := range faults {
		t.Run(cmp.Or(fault, "none"), func(t *testing.T) {
			t.Parallel()
			findsFault(t, fault, want)
		})
	}
}

// findsFault checks that the suite finds the fault as want says; see findings. The fault
// "" means none; all cases must pass.
func findsFault(t *testing.T, fault, want string) {
	wanted := findings(want)
	_, leaks := wanted["Leaks"]
	skip := others(conformance.SourceCases(), func(name string) bool {
		_, ok := wanted[name]
		return ok || fault == ""
	})
	last := make(chan struct{})
	defer close(last)
	h := faulty(fault, skip, last)
	if fault != "" { // cases that must pass get the default limit
		h.Limit = 2 * time.Second
	}
	if leaks {
		h.Limit = 500 * time.Millisecond
	}
	found(t, fault, conformance.SourceResults(t, h), wanted)
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
