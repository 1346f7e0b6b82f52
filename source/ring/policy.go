package ring

import (
	"slices"
	"time"
)

// policy decides which key a request is sent with, and learns from the outcome. It is
// a value without a lock, a goroutine, a channel or a clock: the ring calls it with
// Ring.mu held and passes the time. TestPureFiles enforces that.
//
// Its inputs are [policy.restored], [policy.set], [policy.accepted], [policy.refused],
// [policy.unknown], [policy.exhausted] and [policy.askedInVain]. Its decisions are [policy.first],
// [policy.next] and [policy.ask].
type policy struct {
	lockout bool                // the server locks a client out after repeated bad keys
	jitter  func(n int64) int64 // returns a number in [0, n); nil means math/rand

	list    []*version // all versions, newest first
	live    []*version // the versions that may be used now, newest first; the first is current
	use     *version   // the version that requests get; nil if none is live
	good    *version   // the version accepted last; nil if it was refused since, or is no longer live
	probing *probe     // the probe that has no outcome yet, or nil
	moment  moment

	ambiguous pause // begins after ambiguous refusals that sending another key did not resolve
	asks      struct {
		pause pause     // no request waits for the source while it runs; it begins after an asking in vain
		spent bool      // an asking with waiting requests ended in vain, and no key was accepted since
		last  time.Time // when the source was last asked
	}
	newlyHeld []*version // for the ring to report as Refused
}

// standing is what the policy knows of one version. Only the policy writes it.
type standing struct {
	state  State  // unused, accepted or refused
	joined moment // when the version joined the ring; 0 means not yet

	// held says that the server refused the version. A held version is used only if
	// no other version is left. After its pause one request at a time tries it again.
	held  bool
	pause pause
	// hurried says that this hold-off was cut short once, by an early try or because
	// the key used in its place was refused. Under WithLockout that is allowed once.
	hurried bool
	// rejected says that the version was refused where a newer one was accepted. While
	// nothing is accepted, rejected versions are tried last (F70, F122).
	rejected bool

	judged moment // when held last changed
	proved moment // when it was accepted since then, or since it became current; 0 means it was not
	asked  moment // when it was last sent in vain

	// What safeToRevoke needs: when proved was set, when the last refusal came that was about
	// the key, and how many acceptances there were by then or when it became current.
	provedAt, refusedAt time.Time
	acceptedBefore      uint64
}

// A probe is the one request that finds out whether the server accepts a held version
// again. There is at most one at a time.
type probe struct {
	v     *version
	since time.Time
}

// tick begins a new moment and returns it.
func (p *policy) tick() moment {
	p.moment++
	return p.moment
}

// restored tells the policy which version the server accepted last before a restart; nil
// means that this is not known. Without it, requests would try the keys that the server
// refuses before the one that it accepts (F129).
func (p *policy) restored(v *version) {
	if v != nil {
		v.state, v.proved, p.good = StateAccepted, p.tick(), v
	}
}

// set tells the policy which versions there are, and which of them may be used now. A
// version that becomes current starts with a fresh standing, and the pauses that the
// current version before it caused end: requests may wait for the source again.
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
		c.standing = standing{state: c.state, joined: c.joined, judged: p.tick(), asked: c.asked,
			refusedAt: c.refusedAt, acceptedBefore: c.counters.accepted()}
		p.ambiguous, p.asks.spent, p.probing = pause{}, false, nil
		p.asks.pause.cut()
	}
	if !p.has(p.good) {
		p.good = nil
	}
	if p.probing != nil && !p.has(p.probing.v) {
		p.probing = nil
	}
	p.choose()
}

// choose sets use, the version that requests get.
func (p *policy) choose() {
	i := slices.IndexFunc(p.live, func(v *version) bool { return !v.held })
	switch {
	case i > 0 && p.good != nil:
		p.use = p.good // F68: not a newer version that the server has not accepted yet
	case i >= 0:
		p.use = p.live[i]
	case !p.has(p.use) || p.use.rejected:
		p.use = p.current() // otherwise keep the version that served last, the best guess while all are held
	}
	if p.suspect() == nil {
		p.probing = nil // F59: the probe belongs to a fall-back that is over
	}
}

func (p *policy) has(v *version) bool { return v != nil && slices.Contains(p.live, v) }

// current returns the newest live version, nil if there is none.
func (p *policy) current() *version {
	if len(p.live) == 0 {
		return nil
	}
	return p.live[0]
}

// allHeld reports whether every live version is held.
func (p *policy) allHeld() bool { return p.use != nil && p.use.held }

// locked reports whether only a probe may be sent: with WithLockout, while every
// version is held.
func (p *policy) locked() bool { return p.lockout && p.allHeld() }

// settled returns the version whose acceptance would change nothing, nil if there is
// none. Requests that it serves need no lock.
func (p *policy) settled() *version {
	if p.good == nil || p.good.proved == 0 || p.asks.spent {
		return nil
	}
	return p.good
}

// suspect returns the version to probe, nil if there is none. It is the current version
// while another one is in use. In a lockout it is the version whose pause ends first,
// and of several the one sent longest ago.
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

// due returns when the next request may probe. A probe without an outcome blocks others
// for the longest hold-off at most.
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

// probe makes a request the probe, and returns the version to send.
func (p *policy) probe(now time.Time) (*version, *probe) {
	p.probing = &probe{v: p.suspect(), since: now}
	return p.probing.v, p.probing
}
