package ring

import (
	"fmt"
	"github.com/rollingkeys/rollingkeys/source"
	"time"
)

// snapshot is what a request needs to know, immutable, behind one pointer.
type snapshot struct {
	use     *version // nil if err is set
	current *version
	settled *version // whose acceptance says nothing new
	err     error
	moment  moment

	lockout bool      // bad keys lock out
	refused bool      // every version is held
	locked  bool      // and only the probe may be sent
	probe   bool      // a request may probe, when it is due
	due     time.Time // then
}

// undecided reports whether it takes the policy to say what a request goes out with:
// else it is use.
func (s *snapshot) undecided(repeatable bool, now func() time.Time) bool {
	switch {
	case s.locked, s.refused && !repeatable:
		return true
	case s.probe && repeatable:
		return !now().Before(s.due)
	}
	return false
}

// enter locks mu, and brings the roles up to this moment, which it returns. What
// is then said to the policy is said of it as it is now (F69).
func (r *Ring) enter() time.Time {
	r.mu.Lock()
	return r.advance()
}

// leave publishes what was learnt, and unlocks mu.
func (r *Ring) leave() {
	r.publish()
	r.unlock()
}

// publish makes known what the policy and the roles have come to. The caller holds mu.
func (r *Ring) publish() {
	if r.ctx.Err() != nil {
		return
	}
	p, before := &r.policy, r.snap.Load()
	for _, v := range p.told {
		r.outbox.emit(Event{Kind: Refused, Version: v.label()})
	}
	p.told = nil
	s := snapshot{
		use: p.use, current: p.current(), settled: p.settled(), moment: p.moment,
		lockout: p.lockout, refused: p.allHeld(), locked: p.locked(),
	}
	s.due, s.probe = p.due()
	switch {
	case s.current == nil:
		s.err = r.fail(r.noneLeft())
	case r.health.maxStale > 0:
		if now := r.cfg.now(); r.health.outdated(now) {
			s.err = r.fail(fmt.Errorf("%w: last read %v ago", ErrStale, r.health.age(now).Round(time.Second)))
		}
	}
	old := *before
	if old.err != nil && s.err != nil {
		old.err = s.err // it says how old the last reading is, and is no news
	}
	if s != old {
		r.helps(before, &s)
		signal(r.wake) // times may have changed, and what was sent so far is counted
	}
	if s != *before {
		made := s
		r.snap.Store(&made)
	}
	r.tell(before, &s)
}

// tell reports what has changed. The caller holds mu.
func (r *Ring) tell(before, s *snapshot) {
	// While the source is asked for another key, it is too early for an alarm.
	alarmed := s.refused && (r.alarmed || r.asking == nil)
	switch {
	case alarmed && !r.alarmed:
		r.outbox.emit(Event{Kind: AllRefused, Version: s.current.label()})
	case s.use != nil && s.use != s.current && (s.use != before.use || r.alarmed && !s.refused):
		r.outbox.emit(Event{Kind: FellBack, Version: s.use.label(), Previous: s.current.label()})
	case !s.refused && s.current != nil && s.current == before.current && s.use == s.current && (before.refused || before.use != s.current):
		r.outbox.emit(Event{Kind: Recovered, Version: s.current.label()})
	}
	r.alarmed = alarmed
	if s.current == nil && before.current != nil {
		r.outbox.emit(Event{Kind: NoKey, Version: before.current.label(), Err: s.err})
		r.kick() // a key is needed now, not at the next poll
	}
}

// noneLeft says why there is no key to use.
func (r *Ring) noneLeft() error {
	for _, v := range r.roster.list {
		switch {
		case v.unusable != nil:
			return fmt.Errorf("%w: version %q: %w", source.ErrNoKey, v.label(), v.unusable)
		case v.role == RolePending:
			return fmt.Errorf("%w yet: version %q is not to be used before %v", source.ErrNoKey, v.label(), v.key.Load().NotBefore)
		}
	}
	return fmt.Errorf("%w: all have expired or are revoked", source.ErrNoKey)
}
