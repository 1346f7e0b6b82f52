package soak_test

import (
	"fmt"
	"io"
	"net/http"
	"sync"
)

// A ledger is the server's record of the requests that are out, by their id. A
// request is struck off when its client has the answer, so that the record of a
// long soak stays small, and what the server does after that shows.
type ledger struct {
	mu      sync.Mutex
	entries map[string]*entry
}

type entry struct {
	versions []string // of its attempts; "-v1" for one refused, "!" before one that was cut or answered 503
	accepted string   // the version of the last attempt, if it was accepted
	applied  int      // orders
	broken   int      // attempts cut, or answered 503
	lost     bool     // an attempt may have been applied, and its answer lost on the way
}

// most is how often the transport sends a request at the very most.
const most = 4

func newLedger() *ledger { return &ledger{entries: make(map[string]*entry)} }

func (l *ledger) entry(id string) *entry {
	e := l.entries[id]
	if e == nil {
		e = &entry{}
		l.entries[id] = e
	}
	return e
}

// attempt notes an attempt, and reports whether it may be broken, which happens
// twice at most to one request.
func (l *ledger) attempt(id, version string, accepted, breaking bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entry(id)
	e.accepted = ""
	name := "-" + version
	if accepted {
		e.accepted, name = version, version
	}
	if breaking = breaking && e.broken < 2; breaking {
		e.broken++
		name = "!" + name
	}
	e.versions = append(e.versions, name)
	return breaking
}

// apply answers an accepted request: an order with its id.
func (l *ledger) apply(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		return
	}
	id := r.Header.Get("Idempotency-Key")
	body, err := io.ReadAll(r.Body)
	if err != nil || string(body) != order(id) {
		http.Error(w, "not the body that was sent", http.StatusBadRequest)
		return
	}
	l.mu.Lock()
	if e := l.entry(id); e.applied == 0 || !e.lost { // what an Idempotency-Key is for
		e.applied++
	}
	l.mu.Unlock()
	_, _ = io.WriteString(w, id)
}

// lost notes that no request that is out has been answered, nor will be: the
// client sees a lost connection, and does not know what became of it.
func (l *ledger) lost() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.entries {
		e.lost = true
		e.broken++
	}
}

// settle compares what the transport reported with the record, and strikes the
// request off. attempts is 0 where the record has accepted attempts only.
func (l *ledger) settle(id, version string, attempts int, post bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entry(id)
	delete(l.entries, id)
	applied := 0
	if post {
		applied = 1
	}
	switch {
	case version == "" || e.accepted != version:
		return fmt.Errorf("reported version %q, the server's record is %v", version, e.versions)
	case e.applied != applied:
		return fmt.Errorf("%d orders applied, want %d; the server's record is %v", e.applied, applied, e.versions)
	case attempts > 0 && e.broken == 0 && len(e.versions) != attempts:
		return fmt.Errorf("%d attempts reported, the server's record is %v", attempts, e.versions)
	case len(e.versions) > most*(1+e.broken):
		return fmt.Errorf("%d attempts: %v", len(e.versions), e.versions)
	}
	return nil
}

// show strikes a request off that failed and returns its record.
func (l *ledger) show(id string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entry(id)
	delete(l.entries, id)
	return fmt.Sprintf("%v, applied %d", e.versions, e.applied)
}

func (l *ledger) rest() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.entries)
}
