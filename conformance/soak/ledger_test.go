package soak_test

import (
	"fmt"
	"io"
	"net/http"
	"sync"
)

// A ledger is the server's record of requests in flight, by request ID. A request is
// removed when its client has the response. So the ledger stays small in a long soak,
// and an attempt after the response shows as a new entry.
type ledger struct {
	mu      sync.Mutex
	entries map[string]*entry
}

type entry struct {
	versions []string // versions of its attempts: "v1" accepted, "-v1" refused, "!v1" cut or answered 503
	accepted string   // the version of the last attempt, if it was accepted
	applied  int      // how often the order was applied
	broken   int      // attempts that were cut or answered 503
	lost     bool     // an attempt may have been applied and its response lost
}

// most is the maximum number of attempts of the transport for one request.
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

// attempt records an attempt. It returns whether the server may cut it or answer 503,
// which it may if breaking is set, but at most twice for one request.
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

// apply handles an accepted request. It applies an order and answers with its ID.
func (l *ledger) apply(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		return
	}
	id := r.Header.Get("Idempotency-Key")
	body, err := io.ReadAll(r.Body)
	if err != nil || string(body) != order(id) {
		http.Error(w, "the body differs from the one that the client sent", http.StatusBadRequest)
		return
	}
	l.mu.Lock()
	if e := l.entry(id); e.applied == 0 || !e.lost { // the Idempotency-Key prevents a second application
		e.applied++
	}
	l.mu.Unlock()
	_, _ = io.WriteString(w, id)
}

// lost records that the responses to all requests in flight are lost. Their clients do
// not know whether they were applied.
func (l *ledger) lost() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.entries {
		e.lost = true
		e.broken++
	}
}

// settle compares the transport's report with the ledger, and removes the request.
// attempts is 0 if the ledger does not have the refused attempts.
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
		return fmt.Errorf("the transport reported version %q, the server recorded the attempts %v", version, e.versions)
	case e.applied != applied:
		return fmt.Errorf("the order was applied %d times, want %d; the server recorded the attempts %v", e.applied, applied, e.versions)
	case attempts > 0 && e.broken == 0 && len(e.versions) != attempts:
		return fmt.Errorf("the transport reported %d attempts, the server recorded %v", attempts, e.versions)
	case len(e.versions) > most*(1+e.broken):
		return fmt.Errorf("the server recorded %d attempts for one request, too many: %v", len(e.versions), e.versions)
	}
	return nil
}

// show removes a failed request and returns its entry as text.
func (l *ledger) show(id string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entry(id)
	delete(l.entries, id)
	return fmt.Sprintf("attempts %v, applied %d times", e.versions, e.applied)
}

func (l *ledger) rest() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.entries)
}
