package ring

import (
	"cmp"
	"fmt"
	"time"
)

const (
	// minDenials is how many answers that deny a version cause a Warning: fewer may be
	// about the requests.
	minDenials = 3
	// warnDenials is the shortest time between two Warnings about one version.
	warnDenials = time.Minute
)

// doubtful is the advice about refusals that may be about something other than the key.
const doubtful = "each refusal may be about the key or about something else: look up at the API whether the key is active, its rights and its addresses"

// denials are the answers that deny a version but that are no refusals, or doubtful ones.
type denials struct {
	n      uint64
	warned time.Time // when the last Warning was emitted
}

// Denied is Unknown for an answer that at some APIs refuses the key, such as a status of
// 403, although the transport does not take it for a refusal, or for a login that gets no
// answer. After the third time with a version that was never accepted, where another version
// was, the ring emits a Warning event, and then once a minute while it goes on. The event's
// text ends with advice, which says what happened and what to do; if advice is empty, that
// the refusal may be about something other than the key. Refusals that are reported as
// ambiguous count too, if no other key was accepted in their place.
func (a *Attempt) Denied(advice string) {
	if !a.finish() {
		return
	}
	if r := a.ring; !a.foreign && a.v.neverAccepted() {
		r.mu.Lock()
		r.denied(a.v, cmp.Or(advice, doubtful))
		r.unlock()
	}
	a.unknown()
}

// neverAccepted reports whether the server has not accepted v so far.
func (v *version) neverAccepted() bool { return v.counters.accepted() == 0 }

// denied counts a denial of v. The caller holds mu.
func (r *Ring) denied(v *version, advice string) {
	v.denials.n++
	now := r.cfg.now()
	if v.denials.n < minDenials || !v.neverAccepted() || !v.denials.warned.IsZero() && now.Sub(v.denials.warned) < warnDenials {
		return
	}
	other := r.acceptedBeside(v)
	if other == "" {
		return
	}
	v.denials.warned = now
	r.outbox.emit(Event{Kind: Warning, Version: v.label(), Previous: other, Err: fmt.Errorf(
		"version %q was never accepted, and denied %d times, while version %q was accepted: %s", v.label(), v.denials.n, other, advice)})
}

// acceptedBeside returns the newest version other than v that was accepted, or "". The
// caller holds mu.
func (r *Ring) acceptedBeside(v *version) string {
	for _, other := range r.roster.list {
		if other != v && other.counters.accepted() > 0 {
			return other.label()
		}
	}
	for _, gone := range r.roster.retired {
		if gone.counters.accepted() > 0 {
			return gone.label
		}
	}
	return ""
}
