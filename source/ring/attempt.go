package ring

import (
	"context"
	"fmt"
	"github.com/rollingkeys/rollingkeys/source"
	"time"
)

// An Attempt is one sending of one request with one key. A transport begins
// with [Ring.Attempt] and tells the outcome with exactly one of Accepted,
// Refused, Unknown, Again and Next, of which the last two begin another attempt of
// the same request. An Attempt belongs to one goroutine.
type Attempt struct {
	ring  *Ring
	v     *version
	left  moment
	probe *probe // nil: it is none
	past  past   // empty at a request's first attempt
	shard uint32
	ended bool
	// foreign: the key is the caller's own, and the outcome says nothing to the ring.
	foreign bool
}

// Attempt begins the first attempt of a request: with the current key, or with
// a previous one while the server refuses the current. repeatable says that the
// request can be sent again after a refusal: while another key is accepted, only
// such a one is used to find out whether a refused key is good by now. While none
// is, each gets its turn. The error wraps [source.ErrNoKey], [ErrStale], [ErrRefused] or
// [ErrClosed], or is ctx's.
//
// It blocks only with [WithLockout]: where every key is refused, and the source is
// asked for another at this moment, it waits for that, within ctx.
func (r *Ring) Attempt(ctx context.Context, repeatable bool) (a Attempt, err error) {
	if r == nil {
		return a, fmt.Errorf("ring: %w: no ring", source.ErrNoKey)
	}
	s := r.snap.Load()
	if s == nil {
		return a, fmt.Errorf("ring: %w: the ring was not made by Keep", source.ErrNoKey)
	}
	if s.err != nil {
		return a, s.err
	}
	a.v, a.left = s.use, s.moment
	if s.undecided(repeatable, r.cfg.now) {
		if err := r.first(ctx, repeatable, &a); err != nil {
			return Attempt{}, err
		}
	}
	a.ring, a.shard = r, shard()
	a.v.figures.shards[a.shard].sent.Add(1)
	return a, nil
}

// first asks the policy for the version of a first attempt, and, in a lockout, waits
// for it.
func (r *Ring) first(ctx context.Context, repeatable bool, a *Attempt) error {
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
		return ctx.Err()
	}
	return r.fail(ErrRefused)
}

// Version names the key that the attempt carries.
func (a *Attempt) Version() string { return a.v.label() }

// Key is the key that the attempt carries. It shares its maps and slices with
// the ring: do not change them.
func (a *Attempt) Key() source.Key { return *a.v.key.Load() }

// Prepared is what the prepare function of that slot made of the key; a value of
// no use, if it cannot use it and has no say (see [Ring.Prepare]).
func (a *Attempt) Prepared(slot int) any { return (*a.v.prepared.Load())[slot] }

// Accepted: the server took the key.
func (a *Attempt) Accepted() {
	if a.foreign {
		a.Unknown()
		return
	}
	a.ended = true
	a.v.figures.shards[a.shard].accepted.Add(1)
	r := a.ring
	if a.past.n == 0 && a.probe == nil && r.snap.Load().settled == a.v {
		return
	}
	now := r.enter()
	defer r.leave()
	r.policy.accepted(a.v, a.left, a.probe, &a.past, now)
}

// Unknown: the attempt ended, and nothing is known of the key: no answer, or
// one that has nothing to say about it.
func (a *Attempt) Unknown() {
	a.ended = true
	a.v.figures.unknown.Add(1)
	r := a.ring
	if a.foreign {
		a.v.figures.calledAt(r.cfg.now()) // until now, however long ago it was sent
	}
	if a.probe == nil && (a.past.n == 0 || !r.snap.Load().lockout) {
		return
	}
	now := r.enter()
	defer r.leave()
	r.policy.unknown(a.probe, now)
	if r.policy.lockout && a.past.n > 0 {
		// F58: a server that is busy says nothing for the other key; but meanwhile a
		// refused one must not go out with every request where bad keys are counted.
		r.policy.exhausted(&a.past, now)
	}
}

// End stands for Unknown if the attempt has no outcome yet: defer it against
// panics below.
func (a *Attempt) End() {
	if !a.ended {
		a.Unknown()
	}
}

// Refused: the server refused the key, and the request cannot be sent again.
// The next request gets another version, if there is one.
func (a *Attempt) Refused() {
	if a.foreign {
		a.Unknown()
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
	if r.policy.glimpse(now) {
		r.kick() // the server may have moved first; nobody waits for it
	}
}

// refused tells the policy that the attempt was refused. The caller holds mu.
func (a *Attempt) refused(ambiguous bool, now time.Time) {
	a.ended = true
	a.v.figures.refused.Add(1)
	a.past.add(trial{a.v, a.left, ambiguous, a.probe != nil})
	a.ring.policy.refused(&a.past, a.probe, now)
}

// Next: the server refused the key, and the request can be sent again. The
// Attempt becomes one with another version: the current one, if the request left
// with an older; else a previous one that the server does not refuse; else the same
// once more, if the server accepted it last; else what the source brings, which is
// read for all that wait together. It blocks for that only, within ctx and
// [WithRefusalWait]. If that was in vain, the Attempt becomes one with a version that
// was refused before and whose turn it is. It reports false if there is nothing to
// try; then the Attempt is over. doubtful says that the refusal may not be about
// the key: it counts only if the next attempt is accepted, gets one reading
// without a wait, and after a few in vain none for a while.
func (a *Attempt) Next(ctx context.Context, doubtful bool) bool {
	if a.foreign {
		a.Unknown()
		return false
	}
	r := a.ring
	now := r.enter()
	defer r.leave()
	a.refused(doubtful, now)
	if r.over(ctx) {
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
	case doubtful:
		if r.policy.doubt.over(now) {
			a.past.asked = r.glance(ctx)
			if now = r.advance(); !r.over(ctx) {
				choose(now)
			}
		}
	default:
		if r.policy.lockout {
			r.policy.exhausted(&a.past, now) // F58: those who come meanwhile do not send that key as well
			if choose(now) {
				r.ask(now, false) // and they wait
				break
			}
		}
		r.await(ctx, true, choose)
		if a.past.asked, now = true, r.advance(); v == nil && !r.over(ctx) {
			choose(now)
		}
	}
	if v == nil {
		if !r.over(ctx) {
			r.policy.exhausted(&a.past, now)
		}
		return false
	}
	v.figures.shards[a.shard].sent.Add(1)
	a.v, a.left, a.probe, a.ended = v, r.policy.moment, by, false
	return true
}

// Again stands for Unknown, after an outcome that says nothing of the key, such as
// a clock that was off, and the Attempt becomes another with the same key.
func (a *Attempt) Again() {
	a.Unknown()
	a.probe, a.ended = nil, false
	a.v.figures.shards[a.shard].sent.Add(1)
}

// Version names the key that requests get now: the current one, but for a
// fall-back. It is empty where they fail for want of one.
func (r *Ring) Version() string {
	if r == nil {
		return ""
	}
	if s := r.snap.Load(); s != nil && s.err == nil {
		return s.use.label()
	}
	return ""
}

// InUse returns the key that requests get now, for what is not a request: a
// WebSocket login, a token for another library. Errors are those of Attempt, but a
// lockout does not keep it back. It does not count as use.
func (r *Ring) InUse() (source.Key, error) {
	if r == nil {
		return source.Key{}, fmt.Errorf("ring: %w: no ring", source.ErrNoKey)
	}
	s := r.snap.Load()
	if s == nil {
		return source.Key{}, fmt.Errorf("ring: %w: the ring was not made by Keep", source.ErrNoKey)
	}
	if s.err != nil {
		return source.Key{}, s.err
	}
	return s.use.key.Load().Clone(), nil
}

// Token returns the secret that requests get now, for what takes a function for
// its token. It does not block; the errors are those of [Ring.InUse], and ctx's.
func (r *Ring) Token(ctx context.Context) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	key, err := r.InUse()
	return key.Secret.Expose(), err
}
