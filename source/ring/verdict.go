package ring

import (
	"slices"
	"time"
)

// freeDoubts is how many requests in a row may be refused ambiguously, and in vain
// sent with another version, before such tries pause.
const freeDoubts = 3

// accepted learns that the server accepted v, for a request that left at that moment,
// and that was refused with others before: what was refused where v was accepted was
// refused because of the key.
func (p *policy) accepted(v *version, left moment, by *probe, t *past, now time.Time) {
	if t.n > 0 {
		p.doubt.level = 0
	}
	for i := range t.tried[:t.n] {
		if o := &t.tried[i]; o.v != v {
			p.refusedFor(o, v, now)
		}
	}
	// F59: an acceptance that was on its way when v was refused is old news.
	if v.held && (by != nil && by == p.probing || left >= v.judged) {
		v.held, v.rejected, v.hurried, v.judged = false, false, false, p.tick()
	}
	if by == p.probing {
		p.probing = nil
	}
	v.state = StateRefused
	if !v.held {
		if v.state = StateAccepted; v.proved == 0 {
			v.proved = p.tick()
		}
		p.asks.spent = false
		if p.has(v) {
			p.good = v
		}
	}
	p.choose()
}

// refusedFor learns that a version was refused where v was accepted.
func (p *policy) refusedFor(o *trial, v *version, now time.Time) {
	i := slices.Index(p.list, v)
	newer := i >= 0 && i < slices.Index(p.list, o.v)
	if o.v.judged <= o.left { // F59: else it left before the version's standing changed
		if o.probe && o.ambiguous {
			o.v.pause.until = now // it was no answer so far, and paused the probes; it is a refusal by now
		}
		p.hold(o.v, now)
		o.v.rejected = false
	}
	if newer && o.v.held { // be it since this request waited
		o.v.rejected = true
		if o.v.pause.until.IsZero() {
			p.pause(o.v, now) // it is not to be asked about at once
		}
	}
}

// refused learns that the last attempt of a request was refused. It counts at once if
// the attempt was a probe, which an ambiguous refusal tells nothing, but for a
// lockout. Twice with one version: it is not good any more for whoever is refused next.
func (p *policy) refused(t *past, by *probe, now time.Time) {
	last := t.tried[t.n-1]
	if t.n == 2 && t.tried[0].v == last.v && !last.ambiguous && last.v.proved <= last.left {
		last.v.proved = 0
	}
	p.probed(by, !last.ambiguous || p.lockout, now)
}

// unknown learns that an attempt ended without a word of its key.
func (p *policy) unknown(by *probe, now time.Time) { p.probed(by, false, now) }

// probed lets another request probe, after a pause, which is longer only if the
// version was refused.
func (p *policy) probed(by *probe, refused bool, now time.Time) {
	if by == nil || by != p.probing {
		return // F59: it is of a fall-back before this one
	}
	p.probing = nil
	switch {
	case !by.v.held:
	case refused:
		p.hold(by.v, now)
	default:
		p.again(&by.v.pause, now)
		p.level(by.v)
	}
	p.choose()
}

// exhausted learns that a request was refused with every version that it tried.
func (p *policy) exhausted(t *past, now time.Time) {
	if t.ambiguous() && (t.n > 1 || t.asked) { // F58: in vain
		p.doubt.fade(now)
		p.grow(&p.doubt, freeDoubts, now)
		t.tried[t.n-1].v.asked = p.tick()
	}
	learnt := false
	for _, o := range t.tried[:t.n] {
		// Within a pause nothing more is learnt: an address that refuses every key must
		// not disturb the others again and again (F64). Where bad keys lock out, one
		// that was good again meanwhile must not go out till its end (F58).
		if !o.ambiguous && o.v.judged <= o.left && (o.v.pause.over(now) || p.lockout && !o.v.held) {
			p.hold(o.v, now)
			learnt = true
		}
	}
	if c := p.current(); learnt && c != nil && c.held && !t.has(c) && !c.pause.over(now) && !(p.lockout && c.hurried) {
		c.hurried = true
		c.pause.cut() // the key in its place is refused as well: its time may have come
	}
	p.choose()
}

// hold holds v back for its pause.
func (p *policy) hold(v *version, now time.Time) {
	if v.held && !v.pause.over(now) {
		return
	}
	if !v.held {
		v.pause.fade(now) // it did well for a while (F64)
		v.held = true
		p.told = append(p.told, v)
	}
	v.state, v.proved, v.judged = StateRefused, 0, p.tick()
	last := v == p.good
	if last {
		p.good = nil
	}
	if last && p.lockout {
		// Where the first pause is 20 s, one odd answer must not stop a client whose
		// key was good: it is asked about once more, at once.
		v.pause.cut()
		return
	}
	if !v.pause.until.IsZero() {
		v.hurried = false
	}
	p.pause(v, now)
}

// pause begins the next pause of v.
func (p *policy) pause(v *version, now time.Time) {
	p.grow(&v.pause, 0, now)
	p.level(v)
}

// level notes that v was tried, and, in a lockout, holds every other for as long, but
// for one that is to be asked about at once.
func (p *policy) level(v *version) {
	v.asked = p.tick()
	for _, o := range p.live {
		if p.locked() && o.held && !o.pause.until.IsZero() && o.pause.until.Before(v.pause.until) {
			o.pause.until = v.pause.until
		}
	}
}

// askedInVain learns that the source was asked and had nothing; waited says that
// requests could wait for it.
func (p *policy) askedInVain(waited bool, now time.Time) {
	p.asks.spent = p.asks.spent || waited
	if p.asks.pause.over(now) {
		p.asks.pause.fade(now)
		p.grow(&p.asks.pause, 0, now)
	}
}
