package soak_test

import (
	"errors"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// An excuse is a reason for which the contract lets a request fail. A failure has an
// excuse only if the server's record shows it.
type excuse int

const (
	// bodyOnce: the request's body cannot be read again, and its one attempt was refused.
	bodyOnce excuse = iota
	// noKey: every attempt was refused, and for longer than the refusal wait the source
	// had no key that the server accepts.
	noKey
	// afterVain: every attempt was refused, and the source had no key that the server
	// accepts, in the pause after another request had waited for its whole time in vain.
	// No request waits then: see ring.WithRefusalWait.
	afterVain
	// replacedTwice: every attempt was refused, and the server dropped two keys without an
	// overlap while the request was under way.
	replacedTwice
	// split: every attempt was refused, and no key was accepted by all replicas.
	split
	// callerEnded: the caller's context ended.
	callerEnded
	// callerSoon: every attempt was refused, and the wait for another key ended ahead of
	// the caller's deadline.
	callerSoon
	// serverBroke: the server cut or closed the connection, or answered 503, and the
	// request is not repeated after that.
	serverBroke
	// oddAnswer: every attempt was refused, one of them oddly.
	oddAnswer
	// afterOdd: every attempt was refused, and the key that the server accepts was in the
	// hold-off after an odd answer.
	afterOdd

	excuses int = iota
)

func (x excuse) String() string {
	return [...]string{
		"body cannot be read again, refused",
		"no good key in the source beyond the wait",
		"no good key, in the pause after a wait in vain",
		"key replaced twice without overlap",
		"no key accepted by all replicas",
		"caller's context ended",
		"refusal ahead of the caller's deadline",
		"server cut or 503, not repeatable",
		"refused by an odd answer",
		"hold-off after an odd answer",
	}[x]
}

// refusalWait is the default of ring.WithRefusalWait.
const refusalWait = 3 * time.Second

// heldOff is for how long after an odd answer the key may be held, or after a wait in vain
// requests may not wait: the longest hold-off with its jitter, and the wait itself.
const heldOff = 66*time.Second + refusalWait

// windows are the times in which the server is in a state that the steps have brought
// about, oldest first. Only the last few are kept, since requests last for seconds.
type windows struct {
	mu   sync.Mutex
	list []window
}

type window struct{ from, to time.Time } // to is zero while the window is open

// open begins a window at from, which may be in the future, and returns the function
// that ends it. What the window did to the clients' connections they may notice a moment
// later: slack is added to its end.
func (w *windows) open(from time.Time, slack time.Duration) (end func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.list = append(w.list, window{from: from})
	if len(w.list) > 8 {
		w.list = slices.Delete(w.list, 0, 1)
	}
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.list[len(w.list)-1].to = time.Now().Add(slack)
	}
}

// during returns how long the state had lasted, at most, within the time of a request.
// It reports false if the request met no such window.
func (w *windows) during(from, to time.Time) (lasted time.Duration, met bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.list {
		if end := s.to; end.IsZero() || end.After(to) {
			s.to = to
		}
		if s.to.Before(from) || s.to.Before(s.from) {
			continue
		}
		met = true
		lasted = max(lasted, s.to.Sub(s.from))
	}
	return lasted, met
}

// A history is what the steps and the odd answers of a track did to its server.
type history struct {
	without windows // the source has no key that the server accepts
	apart   windows // no key is accepted by all replicas
	twice   windows // from the drop of the first key of two until the ring has the third
	down    windows // the server is not there
	closing windows // the server closes its idle connections

	odd  atomic.Pointer[time.Time] // of the last odd answer
	vain atomic.Pointer[time.Time] // when a request last failed that had waited its whole time
}

// lately reports whether *at is in the last time before to in which it may matter.
func lately(at *time.Time, to time.Time) bool { return at != nil && to.Sub(*at) < heldOff }

// excuse returns the reason for which the contract lets the request fail. e is the
// server's record of it.
func (h *history) excuse(q *request, e entry) (x excuse, ok bool) {
	from, to := q.begun, q.ended
	_, down := h.down.during(from, to)
	_, closing := h.closing.during(from, to)
	faulty := q.status == http.StatusServiceUnavailable || q.status == http.StatusBadGateway || q.err != nil
	switch {
	case q.over != nil && !q.patient && errors.Is(q.err, q.over):
		return callerEnded, e.applied <= 1
	case faulty && (e.broken > 0 || down || closing && len(e.attempts) == 0) && !q.retried:
		return serverBroke, e.applied <= 1
	case q.status != http.StatusUnauthorized || !e.refused():
		return 0, false
	case q.once && q.attempts == 1:
		return bodyOnce, true
	case e.has(odd):
		return oddAnswer, true
	}
	lasted, without := h.without.during(from, to)
	_, twice := h.twice.during(from, to)
	_, apart := h.apart.during(from, to)
	deadline, limited := q.ctx.Deadline()
	switch {
	case without && lasted >= refusalWait:
		return noKey, true
	case without && limited && !q.patient && ahead(from, to, deadline):
		return callerSoon, true
	case without && lately(h.vain.Load(), to):
		return afterVain, true
	case twice && e.versions() > 1:
		return replacedTwice, true
	case apart:
		return split, true
	case lately(h.odd.Load(), to):
		return afterOdd, true
	}
	return 0, false
}

// ahead reports whether a request that ended at to may have ended because its deadline was
// near: see ring.WithRefusalWait.
func ahead(from, to, deadline time.Time) bool {
	left := deadline.Sub(from)
	return deadline.Sub(to) <= min(left/10, 100*time.Millisecond)
}
