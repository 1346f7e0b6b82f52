package ring

import (
	"slices"
	"time"
)

// policy decides which key a request gets, and learns from what became of it. It is
// a value without a lock, a goroutine, a channel or a clock: the ring calls it under
// its own lock and says what time it is. A test holds its files to that.
//
// What it is told: [policy.set], [policy.accepted], [policy.refused], [policy.unknown],
// [policy.exhausted] and [policy.askedInVain]. What it decides: [policy.first],
// [policy.next] and [policy.ask].
type policy struct {
	lockout bool                // the server locks a client out after repeated bad keys
	jitter  func(n int64) int64 // up to n, without n; nil: at random

	list    []*version // all, newest first
	live    []*version // those that may be used now; the first is current
	use     *version   // that requests get; nil if none is live
	good    *version   // the server accepted it last; nil if it was refused since, or went out of use
	probing *probe     // that is out; nil: none
	moment  moment

	doubt pause // after ambiguous refusals that no other key helped against
	asks  struct {
		pause pause // without waiting for the source, after it was asked in vain
		spent bool  // requests waited for it in vain, and no key was accepted since
		last  time.Time
	}
	told []*version // newly held, for the ring to report
}

// standing is how a version stands with the server. Only the policy writes it.
type standing struct {
	state  State  // unused, accepted or refused
	joined moment // when it came

	// held: the server refused the version. It is used only if nothing else is left,
	// and tried again, by one request at a time, once its pause is over.
	held  bool
	pause pause
	// hurried: this hold-off was cut short, by an early try or because the key in its
	// place was refused. Where bad keys lock out that is allowed once.
	hurried bool
	// rejected: it was refused where a newer version was accepted. It is the last to
	// have its turn, while nothing is accepted (F70, F122).
	rejected bool

	judged moment // when held last changed
	proved moment // when it was accepted after that, or after it became current; 0: it was not
	asked  moment // when it was last tried in vain
}

// A probe is a request that finds out whether a held version is good by now. One is
// out at a time.
type probe struct {
	v     *version
	since time.Time
}

// tick begins a moment.
func (p *policy) tick() moment {
	p.moment++
	return p.moment
}

// set learns which versions there are, and which of them may be used now. One that
// becomes current begins with a clean slate, and what was learnt about the one before
// ends.
func (p *policy) set(list, live []*version) {
	switched := len(live) > 0 && live[0] != p.current()
	p.list, p.live = list, live
	for _, v := range list {
		if v.joined == 0 {
			v.joined = p.tick()
		}
	}
	if switched {
		c := live[0]
		c.standing = standing{state: c.state, joined: c.joined, judged: p.tick(), asked: c.asked}
		p.doubt, p.asks.spent, p.probing = pause{}, false, nil
	}
	if !p.has(p.good) {
		p.good = nil
	}
	if p.probing != nil && !p.has(p.probing.v) {
		p.probing = nil
	}
	p.choose()
}

// choose chooses the version that requests get.
func (p *policy) choose() {
	i := slices.IndexFunc(p.live, func(v *version) bool { return !v.held })
	switch {
	case i > 0 && p.good != nil:
		p.use = p.good // F68: rather than a newer one that no server took yet
	case i >= 0:
		p.use = p.live[i]
	case !p.has(p.use) || p.use.rejected:
		p.use = p.current() // else, with every version held, what served last is the best guess
	}
	if p.suspect() == nil {
		p.probing = nil // F59: what is out is of a fall-back that is over
	}
}

func (p *policy) has(v *version) bool { return v != nil && slices.Contains(p.live, v) }

// current is the newest live version, nil if there is none.
func (p *policy) current() *version {
	if len(p.live) == 0 {
		return nil
	}
	return p.live[0]
}

// allHeld reports whether the server refuses every version.
func (p *policy) allHeld() bool { return p.use != nil && p.use.held }

// locked reports whether no request may be sent but the probe.
func (p *policy) locked() bool { return p.lockout && p.allHeld() }

// settled is the version whose acceptance says nothing new, nil if there is none.
func (p *policy) settled() *version {
	if p.good == nil || p.good.proved == 0 || p.asks.spent {
		return nil
	}
	return p.good
}

// suspect is the version that is probed, nil if there is none: the current one, while
// another is in use; in a lockout, whichever is due first, of several the one that was
// tried longest ago.
func (p *policy) suspect() *version {
	if !p.locked() {
		if c := p.current(); c != p.use {
			return c
		}
		return nil
	}
	v := p.live[0]
	for _, o := range p.live[1:] {
		if o.pause.until.Before(v.pause.until) || o.pause.until.Equal(v.pause.until) && o.asked < v.asked {
			v = o
		}
	}
	return v
}

// due is when a request may probe. A probe that hangs keeps the others from it no
// longer than the longest hold-off.
func (p *policy) due() (at time.Time, ok bool) {
	v := p.suspect()
	if v == nil {
		return at, false
	}
	at = v.pause.until
	if p.probing != nil && p.probing.since.Add(maxHoldOff).After(at) {
		at = p.probing.since.Add(maxHoldOff)
	}
	return at, true
}

// probe makes a request the probe of the suspect.
func (p *policy) probe(now time.Time) (*version, *probe) {
	p.probing = &probe{v: p.suspect(), since: now}
	return p.probing.v, p.probing
}
