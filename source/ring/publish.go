package ring

import "time"

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

// unlock sends the events out and unlocks mu. An observer that hears of a switch
// finds the new key in use.
func (r *Ring) unlock() {
	r.outbox.flush()
	r.mu.Unlock()
}

// advance brings the roles up to this moment, if the time of a version has come, and
// returns it. The caller holds mu.
func (r *Ring) advance() time.Time {
	now := r.cfg.now()
	if r.roster.due(now) {
		r.recompute(now)
	}
	return now
}

// recompute gives every version its role at this time, tells the policy, and publishes
// what comes of it. The caller holds mu.
func (r *Ring) recompute(now time.Time) {
	if r.ctx.Err() != nil {
		return
	}
	r.roster.assign(now)
	r.outbox.relay(r.roster.tell())
	r.policy.set(r.roster.list, r.roster.live)
	r.publish()
	r.watch(now)
}

// watch reports what time alone brings about. The caller holds mu.
func (r *Ring) watch(now time.Time) {
	if r.health.turnedStale(now) {
		r.outbox.emit(Event{Kind: Stale, Err: r.health.lastErr})
	}
	r.roster.watch(now)
	r.outbox.relay(r.roster.tell())
}

// publish makes known what the policy and the roster have come to. The caller holds mu.
func (r *Ring) publish() {
	if r.ctx.Err() != nil {
		return
	}
	before := r.snap.Load()
	for _, v := range r.policy.told {
		r.outbox.emit(Event{Kind: Refused, Version: v.label()})
	}
	r.policy.told = nil
	s, old := r.snapshot(), *before
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
