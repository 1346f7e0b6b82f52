package soak_test

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// A ledger is the server's record of requests, by request ID. A request is removed when
// its client has the whole response. A failed request stays for a while, because the
// server may still receive it. So the ledger stays small in a long soak, and an attempt
// after the response shows as a new entry.
type ledger struct {
	mu      sync.Mutex
	entries map[string]*entry
	failed  []failure // the failed requests that are still recorded, oldest first
	twice   int       // orders that were applied more than once
}

// An entry is the server's record of one request.
type entry struct {
	attempts []attempt
	applied  int  // how often the order was applied
	broken   int  // attempts whose answer the server broke off, or answered 503
	lost     bool // an attempt may have been applied and its response lost
	failed   bool // its client has given up
}

// An attempt is the server's record of one attempt.
type attempt struct {
	version string
	verdict verdict
}

// verdict is what the server made of an attempt.
type verdict byte

const (
	taken   verdict = iota // answered 200
	refused                // with a key that this replica does not accept
	odd                    // refused although the key is good
	broken                 // cut or answered 503
)

func (v verdict) String() string {
	return [...]string{"accepted", "refused", "refused oddly", "broken"}[v]
}

func (a attempt) String() string { return a.version + " " + a.verdict.String() }

type failure struct {
	id string
	at time.Time
}

// keepFailed is how long a failed request stays in the ledger.
const keepFailed = 10 * time.Second

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

// attempt records an attempt. It reports whether the verdict is another than taken. After
// two broken attempts of a request, broken counts as taken.
func (l *ledger) attempt(id, version string, v verdict) (other bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entry(id)
	if v == broken && e.broken == 2 {
		v = taken
	}
	if v == broken {
		e.broken++
	}
	e.attempts = append(e.attempts, attempt{version, v})
	return v != taken
}

// apply applies an order. The server recognizes it by its Idempotency-Key, if it has one,
// but here only after a lost response: a client must not rely on that in a rotation.
func (l *ledger) apply(id string, keyed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.entry(id); e.applied == 0 || !e.lost || !keyed {
		e.applied++
	}
}

// loses records that the response to a request is lost.
func (l *ledger) loses(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entry(id).lost = true
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

// served removes a request whose client has the whole response, and returns its entry.
func (l *ledger) served(id string) entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entry(id)
	delete(l.entries, id)
	return *e
}

// gaveUp returns the entry of a request that failed, as it is now, and removes those that
// failed long ago.
func (l *ledger) gaveUp(id string) entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entry(id)
	e.failed = true
	now := time.Now()
	l.failed = append(l.failed, failure{id, now})
	for len(l.failed) > 0 && now.Sub(l.failed[0].at) > keepFailed {
		l.forget()
	}
	snap := *e
	snap.attempts = append([]attempt(nil), e.attempts...)
	return snap
}

// forget removes the oldest of the failed requests. The caller holds mu.
func (l *ledger) forget() {
	id := l.failed[0].id
	if e := l.entries[id]; e != nil && e.applied > 1 {
		l.twice++
	}
	delete(l.entries, id)
	l.failed = l.failed[1:]
}

// rest ends the record. It returns how many requests got attempts after their response,
// and how many failed ones were applied more than once.
func (l *ledger) rest() (after, twice int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.failed) > 0 {
		l.forget()
	}
	return len(l.entries), l.twice
}

func (e entry) String() string {
	var texts []string
	for _, a := range e.attempts {
		texts = append(texts, a.String())
	}
	return fmt.Sprintf("[%s], applied %d times, %d broken", strings.Join(texts, ", "), e.applied, e.broken)
}

// refused reports whether the server refused every attempt, but for those that it broke,
// and applied nothing otherwise.
func (e entry) refused() bool {
	return !e.has(taken) && (e.applied == 0 || e.applied == 1 && e.lost)
}

// has reports whether the server made v of an attempt.
func (e entry) has(v verdict) bool {
	for _, a := range e.attempts {
		if a.verdict == v {
			return true
		}
	}
	return false
}

// versions returns how many versions the attempts had.
func (e entry) versions() int {
	seen := make(map[string]bool)
	for _, a := range e.attempts {
		seen[a.version] = true
	}
	return len(seen)
}

// last returns the last attempt; the zero attempt if there is none.
func (e entry) last() attempt {
	if len(e.attempts) == 0 {
		return attempt{}
	}
	return e.attempts[len(e.attempts)-1]
}
