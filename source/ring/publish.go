package ring

import "time"

// enter locks mu and calls advance. What the policy is told next refers to the versions
// that are live at this moment (F69).
func (r *Ring) enter() time.Time {
	r.mu.Lock()
	return r.advance()
}

// leave publishes what the policy has learnt, and unlocks mu.
func (r *Ring) leave() {
	r.publish()
	r.unlock()
}

// unlock sends the pending events and unlocks mu. It comes after publish: an observer that
// gets a Switched event finds the new key in use.
func (r *Ring) unlock() {
	r.outbox.flush()
	r.mu.Unlock()
}

// advance updates the roles if time has changed one, and returns the time. The caller holds
// mu.
func (r *Ring) advance() time.Time {
	now := r.cfg.now()
	if r.roster.due(now) {
		r.recompute(now)
	}
	return now
}

// recompute gives every version its role at this time, tells the policy, and publishes the
// result. The caller holds mu.
func (r *Ring) recompute(now time.Time) {
	if r.ctx.Err() != nil {
		return
	}
	for again := true; again; again = r.roster.due(now) {
		r.roster.assign(now)
		r.policy.set(r.roster.list, r.roster.live)
	}
	r.outbox.relay(r.roster.drain())
	r.publish()
	r.watch(now)
}

// watch looks at what is degraded now, emits the events for it, and returns when to look
// again; zero means when something happens. The caller holds mu.
func (r *Ring) watch(now time.Time) (next time.Time) {
	if r.ctx.Err() != nil {
		return next
	}
	if r.roster.due(now) { // an acceptance or a refusal may begin or end an overlap, too (F129)
		r.recompute(now)
	}
	r.health.check(now)
	list, next := degraded(&facts{
		now: now, snap: r.snap.Load(), roster: &r.roster, health: &r.health, ledger: &r.ledger, watch: r.unwatched(),
	})
	r.outbox.relay(r.ledger.update(list, now))
	return earlier(next, r.ledger.next(now), now)
}

// publish replaces the snapshot, emits the events for what has changed, and wakes the
// requests and the loop that wait for it. The caller holds mu.
func (r *Ring) publish() {
	if r.ctx.Err() != nil {
		return
	}
	before := r.snap.Load()
	for _, v := range r.policy.newlyHeld {
		r.outbox.emit(Event{Kind: Refused, Version: v.label()})
	}
	r.policy.newlyHeld = nil
	s := r.snapshot()
	if s != *before {
		old := *before
		if old.err != nil && s.err != nil {
			old.err = s.err // its text has the age of the last reading, which changes all the time
		}
		if s != old {
			r.wakeWaiters(before, &s)
			signal(r.signals.wake) // the loop has new times to wait for, and samples the counters
			r.wakeAwaiting()
		}
		made := s
		r.snap.Store(&made)
	}
	alarmed := r.ledger.alarmed
	if r.report(before, &s); s != *before || alarmed != r.ledger.alarmed {
		r.watch(r.cfg.now())
	}
}

// report emits the events for the changes between two snapshots, but for what is degraded.
// The caller holds mu.
func (r *Ring) report(before, s *snapshot) {
	// While the source is asked for another key, AllRefused would come too early.
	r.ledger.alarmed = s.refused && (r.ledger.alarmed || r.asking == nil)
	if !s.refused && s.current != nil && s.current == before.current && s.use == s.current && (before.refused || before.use != s.current) {
		r.outbox.emit(Event{Kind: Recovered, Version: s.current.label()})
	}
	switch {
	case s.current != nil:
		r.ledger.last = s.current.label()
	case before.current != nil:
		r.kick() // requests fail until the source is read
	}
}
