package ring

import (
	"slices"
	"time"
)

// first decides which version the first attempt of a request is sent with; nil means
// that the request must not be sent now. by is not nil if the request is a probe. While
// another key is accepted, only a request that can be sent again becomes one.
func (p *policy) first(repeatable bool, now time.Time) (v *version, by *probe) {
	all := p.allHeld()
	if at, ok := p.due(); ok && (repeatable || all) && !now.Before(at) {
		return p.probe(now)
	}
	switch {
	case p.locked():
		return nil, nil
	case all && !repeatable: // there will be no second attempt with another key
		t := past{n: 2, asked: true, tried: [maxAttempts]trial{{v: p.use}, {v: p.current()}}}
		if v := p.turn(&t, now); v != nil {
			return v, nil
		}
	}
	return p.use, nil
}

// another decides which version a connection logs in with that is logged in with have; have
// is nil if the connection has no live version. v is nil if the connection stays as it is,
// and at is then when that may change by time alone, zero if never. Unlike a request, a
// connection is in no hurry: while its version is in use, the connection waits until the
// version to probe is due, and it does not log in with a held version before the version's
// pause is over (F137).
func (p *policy) another(have *version, now time.Time) (v *version, by *probe, at time.Time) {
	if due, ok := p.due(); ok && p.suspect() != have {
		if !now.Before(due) {
			v, by = p.probe(now)
			return v, by, at
		}
		at = due
	}
	if p.use == nil || p.use == have || p.locked() {
		return nil, nil, at
	}
	if end := p.use.pause.until; p.use.held && now.Before(end) {
		if at.IsZero() || end.Before(at) {
			at = end
		}
		return nil, nil, at
	}
	return p.use, nil, at
}

// next decides which version a request is sent with after refusals; nil means that it is
// not sent again. Two attempts are the rule. A third is made only while keys change under
// the request, or after the source was asked in vain. A fourth is made only with a version
// that joined after the request left. The rows are tried in order. "one" and "two" count
// the keys sent so far, "once" and "twice" the attempts:
//
//	so far    goes out with            if
//	any       nothing                  the last refusal was ambiguous, the attempt was no probe, and the pause for ambiguous refusals runs
//	one       the current key          it was not sent yet, and fallsForward allows it
//	one       a key that is not held   it was not sent yet: the newest
//	two       the same, as a third     the last key was the current one before its pause was over, or this is the good one
//	any       the same                 it joined after the request left
//	once      the same key again       the server accepted it last (F123), or since the request left (F60)
//
// In a lockout, a request becomes the probe if its key is to be probed at once. Also in a
// lockout, while not every key is held, the last row below applies to ambiguous refusals,
// which hold no key. Without lockout:
//
//	one       the key in use           every key is held, and the first attempt was a probe
//	twice     the first key again      one of the two keys had been accepted: the server moved between them
//	one       a held key that is due   it is its turn; a rejected key's only after the source was asked in vain (F122)
//	twice     the same                 the source was asked in vain
func (p *policy) next(t *past, now time.Time) (v *version, by *probe) {
	first, last, keys := t.tried[0], t.tried[t.n-1], t.keys()
	if p.use == nil || t.n == maxAttempts || last.ambiguous && !last.probe && !p.ambiguous.over(now) {
		return nil, nil
	}
	if c := p.current(); keys == 1 && !t.has(c) && p.fallsForward(now) {
		// The request left with a previous version. If the current one is held, the
		// server may accept it by now, which would explain this refusal.
		t.early = c.held && !p.lockout
		return c, nil
	}
	if v := p.other(t); v != nil {
		return v, nil
	}
	once := t.n == 1 && p.has(first.v)
	if once && !first.v.held && (first.v.proved > first.left || first.v.proved > 0 && !first.ambiguous && !p.lockout) {
		return first.v, nil
	}
	if p.lockout {
		at, ok := p.due()
		switch {
		case once && !first.ambiguous && ok && at.IsZero() && p.locked() && p.suspect() == first.v:
			return p.probe(now)
		case last.ambiguous && t.n <= 2 && t.asked && !p.locked():
			return p.turn(t, now), nil
		}
		return nil, nil
	}
	switch {
	case keys == 1 && p.use != p.current() && !t.has(p.use):
		return p.use, nil
	case t.n == 2 && keys == 2 && !last.ambiguous && (first.v.proved > 0 || last.v.proved > 0) && p.has(first.v):
		// The server, or some of its replicas, moved from one key to the other between
		// the attempts. An ambiguous refusal may not be about the key (F65).
		return first.v, nil
	case keys == 1 || t.n == 2 && t.asked:
		return p.turn(t, now), nil
	}
	return nil, nil
}

// fallsForward reports whether a request that left with a previous version is sent again
// with the current one. In a lockout one request in each hold-off is, and none while
// every key is held (F58).
func (p *policy) fallsForward(now time.Time) bool {
	c := p.current()
	switch {
	case !p.lockout:
		return !p.allHeld() || c.pause.over(now)
	case p.allHeld(), c.held && c.hurried:
		return false
	default:
		c.hurried = c.held
		return true
	}
}

// other chooses among the versions that are neither held nor sent yet: the newest. After
// an ambiguous refusal, which holds no version, it chooses the one sent in vain longest ago.
func (p *policy) other(t *past) (v *version) {
	keys := t.keys()
	for _, o := range p.live {
		// F68: the source may be two or more rotations ahead of the server. After two
		// refusals the version accepted last is sent as the third.
		if o.held || t.has(o) || keys > 1 && (t.n > 2 || !t.early && o != p.good) && o.joined <= t.tried[0].left {
			continue
		}
		if v == nil || keys == 1 && t.tried[0].ambiguous && o.asked < v.asked {
			v = o
		}
	}
	return v
}

// turn returns a held version whose pause is over, and begins its next pause. Rejected
// versions come last, and only after the source was asked in vain: when the server
// switches before the source does, trying them would cost an attempt.
func (p *policy) turn(t *past, now time.Time) *version {
	for _, rejected := range []bool{false, true} {
		i := slices.IndexFunc(p.live, func(v *version) bool {
			return v.held && v.rejected == rejected && v.pause.over(now) && !t.has(v)
		})
		if i >= 0 && (!rejected || t.asked) {
			p.grow(&p.live[i].pause, 0, now)
			return p.live[i]
		}
	}
	return nil
}

// ask reports whether the source may be asked for another key now, and whether requests
// may wait for it. F58: after an asking in vain no request waits for a while, and the
// source is read at most once a second.
func (p *policy) ask(now time.Time) (wait, ok bool) {
	paused := !p.asks.pause.over(now)
	if paused && !p.mayRead(now) {
		return false, false
	}
	p.asks.last = now
	return !paused && !p.asks.spent, true
}

// mayRead reports whether the source may be read because of a refusal, with no request
// waiting for it: at most once a second.
func (p *policy) mayRead(now time.Time) bool {
	if now.Sub(p.asks.last) < minHoldOff {
		return false
	}
	p.asks.last = now
	return true
}
