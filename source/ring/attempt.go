package ring

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
)

// An Attempt is one sending of one request with one key. A transport begins with
// [Ring.Attempt], and reports the outcome by calling exactly one of Accepted, Refused,
// Unknown, Denied, Again and Next; Again and Next begin another attempt of the same request.
// A second outcome of one attempt does nothing, also if it is reported through a copy. An
// Attempt is not safe for concurrent use. The zero Attempt has no key, and is over.
type Attempt struct {
	ring   *Ring
	v      *version
	left   moment
	probe  *probe // nil if the attempt is no probe
	past   past   // empty at a request's first attempt
	shard  uint32
	ticket *atomic.Uint64 // has number while the attempt has no outcome; see finish
	number uint64
	// foreign says that the key is the caller's own. The outcome then teaches the ring
	// nothing.
	foreign bool
}

// Attempt begins the first attempt of a request: with the current key, or with a previous
// one while the server refuses the current one. repeatable says that the request can be
// sent again after a refusal. While another key is accepted, only repeatable requests are
// used to find out whether a refused key is accepted again; while none is, every request
// is. The error wraps [source.ErrNoKey], [ErrStale], [ErrRefused] or [ErrClosed].
//
// Attempt blocks only with [WithLockout]: if every key is refused and the source is being
// asked for another one, Attempt waits for that, for [WithRefusalWait] at most. If ctx ends
// in the meantime, the error wraps ctx's as well as [ErrRefused].
func (r *Ring) Attempt(ctx context.Context, repeatable bool) (a Attempt, err error) {
	err = a.begin(ctx, r, repeatable)
	return a, err
}

// begin is [Ring.Attempt], which can be inlined without it: an Attempt is large to copy.
func (a *Attempt) begin(ctx context.Context, r *Ring, repeatable bool) error {
	if r == nil {
		return fmt.Errorf("ring: %w: no ring", source.ErrNoKey)
	}
	s := r.snap.Load()
	if s == nil {
		return fmt.Errorf("ring: %w: the ring was not made by Keep", source.ErrNoKey)
	}
	if s.err != nil {
		return s.err
	}
	if ctx == nil {
		return r.fail(errNoContext)
	}
	a.v, a.left = s.use, s.moment
	if s.undecided(repeatable, r.cfg.now) {
		if err := r.chooseFirst(ctx, repeatable, a); err != nil {
			*a = Attempt{}
			return err
		}
	}
	a.ring, a.shard = r, shard()
	a.begun(a.v)
	return nil
}

// chooseFirst asks the policy for the version of a first attempt. In a lockout it waits
// until there is one, while the source is asked.
func (r *Ring) chooseFirst(ctx context.Context, repeatable bool, a *Attempt) error {
	now := r.enter()
	defer r.leave()
	a.v = nil
	choose := func(now time.Time) bool {
		if s := r.snap.Load(); s.err == nil {
			a.v, a.probe = r.policy.first(repeatable, now)
			a.left = r.policy.moment
		}
		return a.v != nil
	}
	if !choose(now) && r.asking != nil {
		r.await(ctx, false, choose)
	}
	switch s := r.snap.Load(); {
	case a.v != nil:
		return nil
	case s.err != nil:
		return s.err
	case ctx.Err() != nil:
		return r.fail(fmt.Errorf("%w: %w", ErrRefused, ctx.Err())) // F133
	}
	return r.fail(ErrRefused)
}

// Version returns the name of the attempt's key, which is unique in the ring.
func (a *Attempt) Version() string {
	if a.v == nil {
		return ""
	}
	return a.v.label()
}

// Key returns the attempt's key. Its maps and slices are the ring's: do not change them.
func (a *Attempt) Key() source.Key {
	if a.v == nil {
		return source.Key{}
	}
	return *a.v.key.Load()
}

// Prepared returns what the prepare function of that slot made of the key. If the function
// could not use the key and its refusals are ignored (see [Ring.Prepare]), the value means
// nothing. It is nil if the slot is nobody's.
func (a *Attempt) Prepared(slot int) any {
	if a.v == nil {
		return nil
	}
	if made := a.v.prepared.Load(); made != nil && slot >= 0 && slot < len(*made) {
		return (*made)[slot]
	}
	return nil
}

// Accepted reports that the server accepted the key.
func (a *Attempt) Accepted() {
	if a.foreign {
		a.Unknown()
		return
	}
	if !a.finish() {
		return
	}
	a.v.counters.shards[a.shard].accepted.Add(1)
	r := a.ring
	if a.past.n == 0 && a.probe == nil && r.snap.Load().settled == a.v {
		return
	}
	now := r.enter()
	defer r.leave()
	r.policy.accepted(a.v, a.left, a.probe, &a.past, now)
}

// Unknown reports that the attempt ended without saying anything about the key: there was
// no answer, or one that does not depend on the key.
func (a *Attempt) Unknown() {
	if a.finish() {
		a.unknown()
	}
}

// unknown is Unknown for an attempt that has finished.
func (a *Attempt) unknown() {
	a.v.counters.unknown.Add(1)
	r := a.ring
	if a.foreign {
		a.v.counters.calledAt(r.cfg.now()) // until now, however long ago it was sent
	}
	if a.probe == nil && (a.past.n == 0 || !r.snap.Load().lockout) {
		return
	}
	now := r.enter()
	defer r.leave()
	r.policy.unknown(a.probe, now)
	if r.policy.lockout && a.past.n > 0 {
		// F58: the answer of a busy server does not prove the other key. Still, where
		// bad keys are counted, requests must not go on to send the refused one.
		r.policy.exhausted(&a.past, now)
	}
}

// End calls Unknown if the attempt has no outcome yet. Defer it, so that a panic leaves no
// attempt without an outcome.
func (a *Attempt) End() { a.Unknown() }

// Refused reports that the server refused the key and that the request cannot be sent
// again. The next request gets another version, if there is one.
func (a *Attempt) Refused() {
	if a.foreign {
		a.Unknown()
		return
	}
	if !a.finish() {
		return
	}
	r := a.ring
	now := r.enter()
	defer r.leave()
	a.refused(false, now)
	r.policy.exhausted(&a.past, now)
	if r.policy.locked() {
		r.ask(now, false) // the next ones wait
	}
	if r.policy.mayRead(now) {
		r.kick() // the server may have switched before the source; no request waits for the reading
	}
}

// refused tells the policy that the attempt was refused. The caller holds mu.
func (a *Attempt) refused(ambiguous bool, now time.Time) {
	a.v.counters.refused.Add(1)
	a.past.add(trial{a.v, a.left, ambiguous, a.probe != nil})
	a.ring.policy.refused(&a.past, a.probe, now)
}

// Next reports that the server refused the key and that the request can be sent again. The
// Attempt becomes one with another version: the current one, if the request left with an
// older one; else a previous one that is not refused; else the same once more, if the
// server accepted it last; else a key that the source brings. Next blocks only for the
// source, for [WithRefusalWait] at most; one reading serves all requests that wait. If
// the source has no other key, the Attempt becomes one with a version that was refused
// before and whose turn it is. Next returns false if there is nothing to send; then the
// Attempt is over.
//
// ambiguous says that the refusal may not be about the key. Such a refusal counts only if
// the next attempt is accepted. For it Next waits for one reading at most, and after a few
// that did not help for none, for a while. A nil ctx counts as one that has ended.
func (a *Attempt) Next(ctx context.Context, ambiguous bool) bool {
	if a.foreign {
		a.Unknown()
		return false
	}
	if !a.finish() {
		return false
	}
	r := a.ring
	now := r.enter()
	defer r.leave()
	a.refused(ambiguous, now)
	if r.ended(ctx) {
		return false
	}
	var v *version
	var by *probe
	choose := func(now time.Time) bool {
		v, by = r.policy.next(&a.past, now)
		return v != nil
	}
	switch {
	case choose(now):
	case ambiguous:
		if r.policy.ambiguous.over(now) {
			a.past.asked = r.awaitReading(ctx)
			if now = r.advance(); !r.ended(ctx) {
				choose(now)
			}
		}
	default:
		if r.policy.lockout {
			r.policy.exhausted(&a.past, now) // F58: requests that come meanwhile must not send that key
			if choose(now) {
				r.ask(now, false) // and they wait
				break
			}
		}
		a.past.asked = r.await(ctx, true, choose)
		if now = r.advance(); v == nil && a.past.asked && !r.ended(ctx) {
			choose(now)
		}
	}
	if v == nil {
		if !r.ended(ctx) {
			r.policy.exhausted(&a.past, now)
		}
		if ambiguous {
			for i := range a.past.n {
				r.denied(a.past.tried[i].v, doubtful)
			}
		}
		return false
	}
	a.left, a.probe = r.policy.moment, by
	a.begun(v)
	return true
}

// Again is Unknown for an outcome that says nothing about the key, such as a refusal
// because of clock skew. The Attempt then becomes another one with the same key.
func (a *Attempt) Again() {
	if !a.finish() {
		return
	}
	a.unknown()
	a.probe = nil
	a.begun(a.v)
}
