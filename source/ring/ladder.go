package ring

import (
	"slices"
	"time"
)

// first decides what a request's first attempt goes out with: nil if none may be sent
// now. by is set if the request is to find out about a held version. Where another is
// accepted, only a request that can be sent again is used for that.
func (p *policy) first(repeatable bool, now time.Time) (v *version, by *probe) {
	all := p.allHeld()
	if at, ok := p.due(); ok && (repeatable || all) && !now.Before(at) {
		return p.probe(now)
	}
	switch {
	case p.locked():
		return nil, nil
	case all && !repeatable: // there is no second attempt to try the others with
		t := past{n: 2, asked: true, tried: [maxAttempts]trial{{v: p.use}, {v: p.current()}}}
		if v := p.turn(&t, now); v != nil {
			return v, nil
		}
	}
	return p.use, nil
}

// next decides what a request goes out with after refusals, nil if there is nothing
// for it. Two attempts are the rule. A third is made while the keys change under the
// request, or where the source was asked in vain, and a fourth with a key that came
// since. The rows are in order; one and two count the keys that were tried, once and
// twice the attempts:
//
//	so far    goes out with            if
//	any       nothing                  the last refusal is ambiguous, of no probe, and the pause for doubts runs
//	one       the current key          it was not tried, and joins says so
//	one       one that is not held     it was not tried: the newest
//	two       the same                 as a third: the last was the current key before its pause was over, or it is the good one
//	any       the same                 it came after the request left
//	once      the same key again       the server accepted it last (F123), or since the request left (F60)
//
// In a lockout a request becomes the probe, if its key is to be asked about at once,
// and, while not every key is held, the last row counts for ambiguous refusals, which
// hold none. Else:
//
//	one       the one in use           every key is held, and the first attempt was a probe
//	twice     the first again          it or the second had been accepted: the server went from one to the other
//	one       a held one that is due   it is its turn; a rejected one's once the source was asked in vain (F122)
//	twice     the same                 the source was asked in vain
func (p *policy) next(t *past, now time.Time) (v *version, by *probe) {
	first, last, keys := t.tried[0], t.tried[t.n-1], t.keys()
	if p.use == nil || t.n == maxAttempts || last.ambiguous && !last.probe && !p.doubt.over(now) {
		return nil, nil
	}
	if c := p.current(); keys == 1 && !t.has(c) && p.joins(now) {
		// It left with a previous version. If the current one is held, the server may
		// have taken it up since: that is why it drops the other.
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
		// The server went from one to the other between the attempts, without an
		// overlap, or its replicas are at it. Not for an ambiguous refusal, which may
		// not be about the keys at all (F65).
		return first.v, nil
	case keys == 1 || t.n == 2 && t.asked:
		return p.turn(t, now), nil
	}
	return nil, nil
}

// joins reports whether a request that left with a previous version goes on with the
// current one. Where bad keys lock out, one request does so for each hold-off, and
// none but the probe while every key is held (F58).
func (p *policy) joins(now time.Time) bool {
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

// other chooses among the versions that are neither held nor tried: the newest, or,
// after an ambiguous refusal, for which nothing is held, the one that was tried in
// vain longest ago.
func (p *policy) other(t *past) (v *version) {
	keys := t.keys()
	for _, o := range p.live {
		// F68: the source may be ahead of the server by two rotations and more. After
		// two that were refused comes the one that was accepted last, as a third.
		if o.held || t.has(o) || keys > 1 && (t.n > 2 || !t.early && o != p.good) && o.joined <= t.tried[0].left {
			continue
		}
		if v == nil || keys == 1 && t.tried[0].ambiguous && o.asked < v.asked {
			v = o
		}
	}
	return v
}

// turn lets a held version whose pause is over have its turn. Rejected ones come last,
// and only if the source was asked in vain: where the server moved first, they would
// cost an attempt.
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

// ask reports whether the source may be asked for another key now, and whether
// requests may wait for one. F58: after waiting in vain there is no waiting for a
// while, and no more than one reading a second.
func (p *policy) ask(now time.Time) (wait, ok bool) {
	paused := !p.asks.pause.over(now)
	if paused && !p.glimpse(now) {
		return false, false
	}
	p.asks.last = now
	return !paused && !p.asks.spent, true
}

// glimpse reports whether the source may be read for a request that does not wait.
func (p *policy) glimpse(now time.Time) bool {
	if now.Sub(p.asks.last) < minHoldOff {
		return false
	}
	p.asks.last = now
	return true
}
