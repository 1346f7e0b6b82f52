package source

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// An Attempt is one sending of one request with one key. A transport begins
// with [Ring.Attempt] and tells the outcome with exactly one of Accepted,
// Refused, Unknown, Again and Next, of which the last two begin another attempt of
// the same request. An Attempt belongs to one goroutine.
type Attempt struct {
	ring  *Ring
	v     *version
	epoch uint64
	probe *probe
	past  past // empty at a request's first attempt
	shard uint32
	ended bool
	// foreign: the key is the caller's own, and the outcome says nothing to the ring.
	foreign bool
}

// past is what a request has behind it: attempts that were all refused.
type past struct {
	n     uint8
	early bool // the last was the current key before its hold-off was over
	tried [maxAttempts]trial
}

type trial struct {
	v        *version
	epoch    uint64
	doubtful bool
	probe    bool
}

// maxAttempts is how often one request is sent at the very most. The rule is
// twice. A third time comes where the keys are changing under the request: with
// an older version, if the second was the current one before its hold-off was
// over; with the version that was accepted last, if that was neither; else with the
// first again, if one of the two had been accepted. And if the source comes up with
// a new version after all these, so does that.
const maxAttempts = 4

// Attempt begins the first attempt of a request: with the current key, or with
// a previous one while the server refuses the current. repeatable says that the
// request can be sent again after a refusal: while another key is accepted, only
// such a one is used to find out whether a refused key is good by now. While none
// is, each gets its turn. The error wraps [ErrNoKey], [ErrStale], [ErrRefused] or
// [ErrClosed], or is ctx's.
//
// It blocks only with [WithLockout]: where every key is refused, and the source is
// asked for another at this moment, it waits for that, within ctx.
func (r *Ring) Attempt(ctx context.Context, repeatable bool) (a Attempt, err error) {
	if r == nil {
		return a, fmt.Errorf("source: %w: no ring", ErrNoKey)
	}
	for waited := false; ; waited = true {
		s := r.snap.Load()
		if s == nil {
			return a, fmt.Errorf("source: %w: the ring was not made by Keep", ErrNoKey)
		}
		if s.err != nil {
			return a, s.err
		}
		a.v, a.epoch = s.use, s.epoch
		if p := s.probe; p != nil && (repeatable || s.refused) && r.takes(p, repeatable) {
			a.v, a.probe = p.v, p
			break
		}
		if !s.refused {
			break
		}
		if !s.lockout {
			if !repeatable { // there is no second attempt to try the others with
				a.v = r.instead(s)
			}
			break
		}
		if waited {
			return Attempt{}, r.fail(ErrRefused)
		}
		if err := r.locked(ctx, s); err != nil {
			return Attempt{}, err
		}
	}
	a.ring, a.shard = r, shard()
	a.v.figures.shards[a.shard].sent.Add(1)
	return a, nil
}

// locked waits while the source is asked for another key than those of s, which are
// all refused.
func (r *Ring) locked(ctx context.Context, s *snapshot) error {
	late := time.NewTimer(r.cfg.refusalWait)
	defer late.Stop()
	for first := true; ; first = false {
		r.mu.Lock()
		w := r.window
		over := r.snap.Load().unlock != s.unlock
		r.unlock()
		var done chan struct{}
		switch {
		case over:
			return nil
		case w != nil && w.wait > 0:
			done = w.done
		case first: // nobody asks, or takes any time for it
			return r.fail(ErrRefused)
		}
		select {
		case <-s.unlock:
			return nil
		case <-done:
			if w.vain && r.snap.Load().unlock == s.unlock {
				return r.fail(ErrRefused)
			}
			// It brought something, though nothing to send: another may be on its way.
		case <-late.C:
			return r.fail(ErrRefused)
		case <-ctx.Done():
			return ctx.Err()
		case <-r.ctx.Done():
			return r.fail(ErrClosed)
		}
	}
}

// instead returns the version to be sent in place of the one in use where everything
// is refused, if it is the turn of another but the current, which is probed.
func (r *Ring) instead(s *snapshot) *version {
	r.mu.Lock()
	defer r.unlock()
	if now := r.snap.Load(); now.use != nil {
		s = now
	}
	if !s.refused { // any more
		return s.use
	}
	return cmp.Or(r.due(r.cfg.now(), &past{n: 2, tried: [maxAttempts]trial{{v: s.use}, {v: s.current}}}), s.use)
}

// Version names the key that the attempt carries.
func (a *Attempt) Version() string { return a.v.label() }

// Key is the key that the attempt carries. It shares its maps and slices with
// the ring: do not change them.
func (a *Attempt) Key() Key { return *a.v.key.Load() }

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
	if a.past.n == 0 && a.probe == nil && a.v.settled.Load() {
		return
	}
	a.ring.accept(a)
}

// Unknown: the attempt ended, and nothing is known of the key: no answer, or
// one that has nothing to say about it.
func (a *Attempt) Unknown() {
	a.ended = true
	a.v.figures.unknown.Add(1)
	r := a.ring
	busy := a.past.n > 0 && r.lockout.Load()
	if a.foreign {
		a.v.figures.calledAt(r.cfg.now()) // until now, however long ago it was sent
	}
	if a.probe == nil && !busy {
		return
	}
	r.mu.Lock()
	defer r.unlock()
	r.endProbe(a, false)
	if busy {
		// F58: a server that is busy says nothing for the other key; but meanwhile a
		// dead one must not go out with every request where bad keys are counted.
		r.exhausted(&a.past, false)
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
	a.ended = true
	a.v.figures.refused.Add(1)
	r := a.ring
	r.mu.Lock()
	defer r.unlock()
	r.endProbe(a, true)
	p := &a.past
	p.add(a, false)
	now := r.cfg.now()
	if r.lockout.Load() && r.window == nil && r.ctx.Err() == nil && r.other(p) == nil {
		r.ask(now, false) // the next ones wait
	}
	r.exhausted(p, false)
	if now.Sub(r.askedAt) >= minHoldOff {
		r.askedAt = now
		r.kick() // the server may have moved first; nobody waits for it
	}
}

// Next: the server refused the key, and the request can be sent again. The
// Attempt becomes one with another version: the current one, if the request left
// with an older; else a previous one that the server does not refuse; else what
// the source brings, which is read for all that wait together. It blocks for that
// only, within ctx and [WithRefusalWait], and reports false if there is nothing to
// try; then the Attempt is over. doubtful says that the refusal may not be about
// the key: it counts only if the next attempt is accepted, gets one reading
// without a wait, and after a few in vain none for a while.
func (a *Attempt) Next(ctx context.Context, doubtful bool) bool {
	if a.foreign {
		a.Unknown()
		return false
	}
	a.ended = true
	a.v.figures.refused.Add(1)
	r := a.ring
	p := &a.past

	r.mu.Lock()
	defer r.unlock()
	r.endProbe(a, !doubtful || r.lockout.Load())
	var v *version
	another, waited := p.add(a, doubtful), false
	if another {
		v = r.other(p)
	}
	ask := !doubtful || !r.cfg.now().Before(r.doubtUntil)
	if v == nil && another && ask && ctx.Err() == nil {
		r.unlock()
		if doubtful {
			waited = r.glance(ctx)
		} else {
			v, waited = r.await(ctx, p)
		}
		r.mu.Lock()
		if v == nil && doubtful {
			v = r.other(p)
		}
	}
	if ctx.Err() != nil || r.ctx.Err() != nil {
		return false
	}
	if v == nil {
		r.exhausted(p, waited)
		if waited && !doubtful && !r.cfg.now().Before(r.coolUntil) {
			r.cool()
		}
		return false
	}
	v.figures.shards[a.shard].sent.Add(1)
	a.v, a.epoch, a.probe, a.ended = v, r.snap.Load().epoch, nil, false
	return true
}

// Again stands for Unknown, after an outcome that says nothing of the key, such as
// a clock that was off, and the Attempt becomes another with the same key.
func (a *Attempt) Again() {
	a.Unknown()
	a.probe, a.ended = nil, false
	a.v.figures.shards[a.shard].sent.Add(1)
}

// add adds an attempt that was refused, and reports whether the request may be
// sent again.
func (p *past) add(a *Attempt, doubtful bool) bool {
	p.tried[p.n] = trial{a.v, a.epoch, doubtful, a.probe != nil}
	p.n++
	return p.n < maxAttempts
}

func (p *past) has(v *version) bool {
	return slices.ContainsFunc(p.tried[:p.n], func(t trial) bool { return t.v == v })
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
func (r *Ring) InUse() (Key, error) {
	if r == nil {
		return Key{}, fmt.Errorf("source: %w: no ring", ErrNoKey)
	}
	s := r.snap.Load()
	if s == nil {
		return Key{}, fmt.Errorf("source: %w: the ring was not made by Keep", ErrNoKey)
	}
	if s.err != nil {
		return Key{}, s.err
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
