package ring

import (
	"slices"
	"time"
)

// freeAmbiguous is how many ambiguous refusals in a row may be followed by another key in
// vain before a pause begins.
const freeAmbiguous = 3

// accepted tells the policy that the server accepted v. The request was sent at left, and
// t has its attempts before, which were all refused: since v was accepted for the same
// request, those refusals were about the key.
func (p *policy) accepted(v *version, left moment, by *probe, t *past, now time.Time) {
	if t.n > 0 {
		p.ambiguous.level = 0
	}
	for i := range t.tried[:t.n] {
		if o := &t.tried[i]; o.v != v {
			p.refusedFor(o, v, now)
		}
	}
	// F59: an acceptance of a request sent before v was refused does not end the hold.
	if v.held && (by != nil && by == p.probing || left >= v.judged) {
		v.held, v.rejected, v.hurried, v.judged = false, false, false, p.tick()
	}
	if by == p.probing {
		p.probing = nil
	}
	v.state = StateRefused
	if !v.held {
		if v.state = StateAccepted; v.proved == 0 {
			v.proved, v.provedAt = p.tick(), now
		}
		p.asks.spent = false
		if p.has(v) {
			p.good = v
		}
	}
	p.choose()
}

// refusedFor records that a version was refused where v was accepted.
func (p *policy) refusedFor(o *trial, v *version, now time.Time) {
	i := slices.Index(p.list, v)
	newer := i >= 0 && i < slices.Index(p.list, o.v)
	o.v.doubt(now)
	if o.v.judged <= o.left { // F59: otherwise the refusal is older than what is known
		if o.probe && o.ambiguous {
			o.v.pause.until = now // probed began a pause without a refusal; hold begins the one for a refusal
		}
		p.hold(o.v, now)
		o.v.rejected = false
	}
	if newer && o.v.held { // perhaps already since before this request was sent again
		o.v.rejected = true
		if o.v.pause.until.IsZero() {
			p.pause(o.v, now) // a rejected version is not probed at once
		}
	}
}

// refused tells the policy that the last attempt of a request was refused. It counts at
// once if the attempt was a probe; an ambiguous refusal of a probe counts only in a
// lockout. After two refusals of one request with the same key, the key no longer counts
// as accepted, so that the next request is not sent twice.
func (p *policy) refused(t *past, by *probe, now time.Time) {
	last := t.tried[t.n-1]
	if t.n == 2 && t.tried[0].v == last.v && !last.ambiguous && last.v.proved <= last.left {
		last.v.proved = 0
	}
	if !last.ambiguous {
		last.v.doubt(now)
	}
	p.probed(by, !last.ambiguous || p.lockout, now)
}

// doubt records a refusal that was about the key, however late it came (F171).
func (v *version) doubt(now time.Time) { v.refusedAt, v.acceptedBefore = now, v.counters.accepted() }

// unknown tells the policy that an attempt ended without saying anything about its key.
func (p *policy) unknown(by *probe, now time.Time) { p.probed(by, false, now) }

// probed ends a probe. The next one comes after a pause, which grows only if the version
// was refused.
func (p *policy) probed(by *probe, refused bool, now time.Time) {
	if by == nil || by != p.probing {
		return // F59: this probe belongs to an earlier fall-back
	}
	p.probing = nil
	switch {
	case !by.v.held:
	case refused:
		p.hold(by.v, now)
	default:
		p.repeat(&by.v.pause, now)
		p.alignPauses(by.v)
	}
	p.choose()
}

// exhausted tells the policy that a request ended after a refusal of every version that
// it was sent with.
func (p *policy) exhausted(t *past, now time.Time) {
	if t.ambiguous() && (t.n > 1 || t.asked) { // F58: another key, or the source, did not help
		p.ambiguous.fade(now)
		p.grow(&p.ambiguous, freeAmbiguous, now)
		t.tried[t.n-1].v.asked = p.tick()
	}
	learnt := false
	for _, o := range t.tried[:t.n] {
		// A refusal within a version's pause changes nothing: an address that refuses
		// every key must not disturb the others again and again (F64). In a lockout, a
		// version accepted since then is held all the same: it must not be sent until
		// its pause ends (F58).
		if !o.ambiguous && o.v.judged <= o.left && (o.v.pause.over(now) || p.lockout && !o.v.held) {
			p.hold(o.v, now)
			learnt = true
		}
	}
	if c := p.current(); learnt && c != nil && c.held && !t.has(c) && !c.pause.over(now) && !(p.lockout && c.hurried) {
		c.hurried = true
		c.pause.cut() // the key in its place is refused too: the server may have moved to this one
	}
	p.choose()
}

// hold holds v and begins its pause.
func (p *policy) hold(v *version, now time.Time) {
	if v.held && !v.pause.over(now) {
		return
	}
	if !v.held {
		v.pause.fade(now) // F64: after a good while the pauses start short again
		v.held = true
		p.newlyHeld = append(p.newlyHeld, v)
	}
	v.state, v.proved, v.judged = StateRefused, 0, p.tick()
	last := v == p.good
	if last {
		p.good = nil
	}
	if last && p.lockout {
		// The first pause of a lockout is 20 s. One spurious refusal must not stop a client
		// whose key was good for that long, so the key is probed once at once.
		v.pause.cut()
		return
	}
	if !v.pause.until.IsZero() {
		v.hurried = false
	}
	p.pause(v, now)
}

// pause begins the next pause of v, longer than the last.
func (p *policy) pause(v *version, now time.Time) {
	p.grow(&v.pause, 0, now)
	p.alignPauses(v)
}

// alignPauses records that v was sent in vain. In a lockout the pauses of the other held
// versions end no earlier than that of v, except for a version to be probed at once.
func (p *policy) alignPauses(v *version) {
	v.asked = p.tick()
	for _, o := range p.live {
		if p.locked() && o.held && !o.pause.until.IsZero() && o.pause.until.Before(v.pause.until) {
			o.pause.until = v.pause.until
		}
	}
}

// askedInVain tells the policy that the source was asked and had no other key. waited says
// that requests were allowed to wait.
func (p *policy) askedInVain(waited bool, now time.Time) {
	p.asks.spent = p.asks.spent || waited
	if p.asks.pause.over(now) {
		p.asks.pause.fade(now)
		p.grow(&p.asks.pause, 0, now)
	}
}
