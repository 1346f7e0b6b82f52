package source

import (
	"slices"
	"time"
)

// freeDoubts is how many doubtful refusals in a row get a try with another
// version, and a look at the source, each in vain, before there is a hold-off
// between such tries.
const freeDoubts = 3

// other chooses the version for another attempt of a request, nil if there is
// none. It is decided by the clock of this moment (F69). The caller holds mu.
func (r *Ring) other(p *past) *version {
	var read time.Time
	now := func() time.Time { // read once, and only where something depends on it
		if read.IsZero() {
			read = r.cfg.now()
		}
		return read
	}
	live := func(v *version) bool {
		var at time.Time
		if v.dated() {
			at = now()
		}
		return slices.Contains(r.list, v) && v.usable(at, r.cfg.overlap)
	}
	if t := p.tried[p.n-1]; t.doubtful && !t.probe && now().Before(r.doubtUntil) {
		return nil
	}
	s := r.snap.Load()
	current, use := s.current, s.use
	if p.n == 1 && current != nil && live(current) && !p.has(current) && r.joins(current, now) {
		// It left with a previous version. If the current one is held off, the
		// server may have taken it up since: that is why it drops the other.
		p.early = current.marked && !r.lockout.Load()
		return current
	}
	// F68: the source may be ahead of the server by two rotations and more. After two
	// that were refused comes the one that was accepted last, as a third.
	list := r.list
	if i := slices.Index(list, r.vain); p.n == 1 && p.tried[0].doubtful && i >= 0 {
		list = slices.Concat(list[i+1:], list[:i+1]) // nothing is marked for a doubt: each gets its turn
	}
	for _, v := range list {
		if live(v) && !v.marked && !p.has(v) &&
			(p.n == 1 || p.n == 2 && (p.early || v == r.good) || v.joined > p.tried[0].epoch) {
			return v
		}
	}
	if t := p.tried[0]; p.n == 1 && live(t.v) && !t.v.marked && t.v.provedAt > t.epoch {
		return t.v // it was refused a moment before the server took it up
	}
	switch {
	case r.lockout.Load():
		return nil
	case p.n == 1 && use != nil && use != current && live(use) && !p.has(use):
		return use // a probe was refused while everything is
	case p.n == 1:
		return r.due(now(), p)
	case p.n == 2 && p.tried[0].v != p.tried[1].v && !p.tried[1].doubtful && (p.tried[0].v.accepted || p.tried[1].v.accepted) && live(p.tried[0].v):
		// One of the two was good until now: the server went from one to the other
		// between the attempts, without an overlap, or its replicas are at it. Not for
		// a doubtful refusal, which may not be about the keys at all (F65).
		return p.tried[0].v
	}
	return nil
}

// joins reports whether a request that left with a previous version goes on with
// the current one. Where bad keys lock out, one request does so for each hold-off, and
// none but the probe while everything is refused (F58). The caller holds mu.
func (r *Ring) joins(current *version, now func() time.Time) bool {
	switch {
	case !r.lockout.Load():
		return !r.allRefused || !now().Before(current.holdUntil)
	case r.allRefused, current.marked && current.ahead:
		return false
	default:
		current.ahead = current.marked
		return true
	}
}

// due returns, where everything is refused, another version whose hold-off is over:
// since that may have been the server's lapse, each gets a try then. The caller holds mu.
func (r *Ring) due(now time.Time, p *past) *version {
	for _, v := range r.list {
		if v.usable(now, r.cfg.overlap) && v.marked && !v.dead && !now.Before(v.holdUntil) && !p.has(v) {
			v.holdUntil = now.Add(r.holdOff(v.level))
			v.level++
			return v
		}
	}
	return nil
}

// accept learns from an acceptance. The caller does not hold mu.
func (r *Ring) accept(a *Attempt) {
	r.mu.Lock()
	defer r.unlock()
	v, moved := a.v, false
	for _, t := range a.past.tried[:a.past.n] {
		// What was refused where v was accepted is refused because of the key.
		r.doubts = 0
		if t.v.epoch > t.epoch || t.v == v {
			if i := slices.Index(r.list, v); t.v != v && t.v.marked && i >= 0 && i < slices.Index(r.list, t.v) {
				t.v.dead, moved = true, true // it was marked while this request waited
			}
			continue // F59: it left before the version's standing changed
		}
		if t.probe && t.doubtful {
			t.v.holdUntil = time.Time{} // which was put off by endProbe, and is a refusal by now
		}
		r.mark(t.v, r.cfg.now())
		if i := slices.Index(r.list, v); i >= 0 {
			t.v.dead = i < slices.Index(r.list, t.v)
		}
		moved = true
	}
	if v.marked && (a.probe != nil || a.epoch >= v.epoch) {
		v.unmark(r.epoch + 1)
		moved = true
	}
	if !v.proved && !v.marked {
		v.provedAt = r.epoch + 1
		moved = true
	}
	v.standing, v.accepted, v.proved = StateAccepted, true, true
	if v.marked {
		v.standing = StateRefused
	} else {
		if r.good != nil && r.good != v {
			r.good.settled.Store(false) // its next acceptance counts again
		}
		r.good = v
	}
	v.settled.Store(!v.marked)
	if !v.marked {
		r.waitedFor = nil // a key was good since
	}
	if moved {
		locked := r.lockedOut()
		r.recompute(r.cfg.now())
		signal(r.wake)
		if locked && !r.lockedOut() {
			// Who waits for the source has a key now, and the next refusal gets a window
			// of its own.
			close(r.changed)
			r.changed = make(chan struct{})
		}
	}
	if a.probe != nil {
		a.probe.taken.Store(0) // of the version that is probed from here on
	}
}

// exhausted learns that a request was refused with every version that it tried;
// asked says that the source had no other. The caller holds mu.
func (r *Ring) exhausted(p *past, asked bool) {
	now := r.cfg.now()
	moved, doubt := false, p.n > 1 || asked
	for _, t := range p.tried[:p.n] {
		doubt = doubt && t.doubtful
	}
	if doubt { // in vain
		r.vain = p.tried[p.n-1].v
		if now.Sub(r.doubtUntil) > maxHoldOff {
			r.doubts = 0
		}
		r.doubtUntil = now
		if r.doubts++; r.doubts > freeDoubts { // F58: no try for a while
			r.doubtUntil = now.Add(r.holdOff(r.doubts - freeDoubts - 1))
		}
	}
	for _, t := range p.tried[:p.n] {
		// Within a hold-off nothing more is learnt: an address that refuses every
		// key must not disturb the others again and again (F64). Where bad keys lock
		// out, one that was good again meanwhile must not go out till its end (F58).
		if !t.doubtful && t.v.epoch <= t.epoch && (!now.Before(t.v.holdUntil) || r.lockout.Load() && !t.v.marked) {
			r.mark(t.v, now)
			moved = true
		}
	}
	if c := r.snap.Load().current; moved && c != nil && c.marked && !p.has(c) && now.Before(c.holdUntil) && (!r.lockout.Load() || !c.ahead) {
		c.ahead = true
		c.holdUntil = time.Time{} // the key in its place is refused as well: its time may have come
	}
	if moved {
		r.recompute(now)
	}
}

// endProbe lets another request probe, after a hold-off, which grows only if the
// key was refused. The caller holds mu.
func (r *Ring) endProbe(a *Attempt, refused bool) {
	if a.probe == nil || !a.v.marked {
		return
	}
	p := r.snap.Load().probe
	if p == nil || p.taken != a.probe.taken {
		return // F59: it is of a fall-back before this one
	}
	now := r.cfg.now()
	if refused {
		r.mark(a.v, now)
	} else {
		r.hold(a.v, now.Add(r.holdOff(max(a.v.level-1, 0))))
	}
	r.recompute(now)
	p.taken.Store(0) // not before: its hold-off is not to be seen as over
	signal(r.wake)
}

// noLonger notes that v is not the one to fall back to any more. Which one is,
// the next acceptance says, of whatever version. The caller holds mu.
func (r *Ring) noLonger(v *version) {
	if v == nil || r.good != v {
		return
	}
	r.good = nil
	for _, o := range r.list {
		o.settled.Store(false)
	}
}

// mark notes that v was refused: a growing hold-off begins. The level falls
// back when v did well for a while (F64). The caller holds mu and recomputes.
func (r *Ring) mark(v *version, now time.Time) {
	if v.marked && now.Before(v.holdUntil) {
		return
	}
	if !v.marked {
		if now.Sub(v.holdUntil) > maxHoldOff {
			v.level = 0
		}
		v.marked = true
		r.emit(Event{Kind: Refused, Version: v.label()})
	}
	v.standing, v.proved = StateRefused, false
	v.settled.Store(false)
	again := r.lockout.Load() && v == r.good
	r.noLonger(v)
	v.epoch = r.epoch + 1
	if again {
		// Where the hold-off begins at 20 s, one odd answer must not stop a client
		// whose key was good: it is asked about once more, at once.
		v.holdUntil = time.Time{}
		return
	}
	if !v.holdUntil.IsZero() {
		v.ahead = false
	}
	r.hold(v, now.Add(r.holdOff(v.level)))
	v.level++
}

// hold keeps v back until then and, where bad keys lock out, every other that was
// refused, but for one that is to be asked about at once. The caller holds mu.
func (r *Ring) hold(v *version, until time.Time) {
	v.holdUntil, v.asked = until, r.epoch+1
	if !r.lockout.Load() {
		return
	}
	for _, o := range r.list {
		if o.marked && !o.holdUntil.IsZero() && o.holdUntil.Before(until) {
			o.holdUntil = until
		}
	}
}
