package source

import (
	"fmt"
	"slices"
	"sync/atomic"
	"time"
)

// recompute gives every version its role at this time, retires those whose time
// is over, and publishes the snapshot. The caller holds mu.
func (r *Ring) recompute(now time.Time) {
	if r.ctx.Err() != nil {
		return
	}
	before := r.snap.Load()
	current := r.newest(now)
	var live []*version
	keep := make([]*version, 0, len(r.list))
	behind := false
	for _, v := range r.list {
		if behind && !v.listed && !v.ending {
			v.ending, v.replacedAt = true, now // its overlap runs from when it was replaced
		}
		behind = behind || v == current
		switch {
		case v.unusable != nil || v.revoked:
			keep = append(keep, v)
		case v.expired(now) || v.overlapOver(now, r.cfg.overlap):
			if v.ending {
				r.retire(v, OverlapEnded, now)
				continue
			}
			if v.role == RoleCurrent || v.role == RolePrevious {
				r.emit(Event{Kind: OverlapEnded, Version: v.label()})
			}
			v.take(RoleRetired, now)
			keep = append(keep, v) // the source still lists it
		case v.pending(now):
			v.take(RolePending, now)
			keep = append(keep, v)
		case v == current:
			live = append(live, v)
			keep = append(keep, v)
		default:
			v.take(RolePrevious, now)
			live = append(live, v)
			keep = append(keep, v)
		}
	}
	r.list = keep
	switched := current != nil && current != before.current
	if switched {
		kind, previous := Switched, ""
		if before.current != nil {
			previous = before.current.label()
		}
		if current.wasCurrent && before.current != nil {
			kind = RolledBack
		}
		current.take(RoleCurrent, now)
		current.wasCurrent, current.accepted, current.proved = true, false, false
		current.settled.Store(false)
		current.unmark(r.epoch + 1)
		current.level, current.holdUntil = 0, time.Time{}
		r.doubts, r.doubtUntil = 0, time.Time{} // doubts about the keys before it say nothing here
		r.emit(Event{Kind: kind, Version: current.label(), Previous: previous})
	}
	r.publish(now, current, live)
	if switched {
		close(r.changed)
		r.changed = make(chan struct{})
	}
}

// newest returns the version that is current at this time.
func (r *Ring) newest(now time.Time) *version {
	for _, v := range r.list {
		if v.usable(now, r.cfg.overlap) {
			return v
		}
	}
	return nil
}

// publish chooses the version that requests get, and makes it known. The caller
// holds mu.
func (r *Ring) publish(now time.Time, current *version, live []*version) {
	before := r.snap.Load()
	if !slices.Contains(live, r.good) {
		r.noLonger(r.good)
	}
	if !slices.Contains(live, r.vain) {
		r.vain = nil
	}
	s := &snapshot{current: current, use: current, epoch: before.epoch}
	if i := slices.IndexFunc(live, func(v *version) bool { return !v.marked }); i >= 0 {
		s.use = live[i]
		if i > 0 && r.good != nil {
			s.use = r.good // F68: rather than a newer one that no server took yet
		}
	} else if before.current == current && slices.Contains(live, before.use) && !before.use.dead {
		s.use = before.use // everything is refused: what served last is the best guess
	}
	allRefused := current != nil && s.use.marked
	age := r.age(now)
	switch {
	case current == nil:
		s.err = r.fail(r.noneLeft())
	case r.cfg.maxStale > 0 && age >= r.cfg.maxStale:
		s.err = r.fail(fmt.Errorf("%w: last read %v ago", ErrStale, age.Round(time.Second)))
	}
	s.refused, s.lockout = s.err == nil && allRefused, s.err == nil && allRefused && r.lockout.Load()
	if v := suspect(s, live); s.err == nil && v != nil {
		s.probe = &probe{v: v, at: v.holdUntil, taken: new(atomic.Int64)}
		if p := before.probe; p != nil && before.current == current {
			s.probe.taken = p.taken // one is out at a time, whatever began meanwhile
			if p.v == v && p.at.Equal(v.holdUntil) {
				s.probe = p
			}
		}
	}
	switch {
	case s.lockout && before.lockout:
		s.unlock = before.unlock
	case s.lockout:
		s.unlock = make(chan struct{})
	case before.lockout:
		defer close(before.unlock) // once s is there to be seen
	}
	// While the source is asked for another key, it is too early for an alarm.
	alarmed := allRefused && (r.alarmed || r.window == nil)
	switch {
	case alarmed && !r.alarmed:
		r.emit(Event{Kind: AllRefused, Version: current.label()})
	case s.use != nil && s.use != current && (s.use != before.use || r.alarmed && !allRefused):
		r.emit(Event{Kind: FellBack, Version: s.use.label(), Previous: current.label()})
	case !allRefused && current != nil && current == before.current && s.use == current && (r.allRefused || before.use != current):
		r.emit(Event{Kind: Recovered, Version: current.label()})
	}
	r.allRefused, r.alarmed = allRefused, alarmed
	if current == nil && before.current != nil {
		r.emit(Event{Kind: NoKey, Version: before.current.label(), Err: s.err})
		r.kick() // a key is needed now, not at the next poll
	}
	r.epoch++
	s.epoch = r.epoch
	r.snap.Store(s)
	r.watchAge(now)
}

// suspect returns the version that one request at a time finds out about, nil if
// there is none: the current one while others are sent; in a lockout, where nothing
// is, whichever is due first, of several the one that was asked about longest ago.
func suspect(s *snapshot, live []*version) *version {
	if !s.lockout {
		if s.use == s.current {
			return nil
		}
		return s.current
	}
	first := s.current
	for _, v := range live {
		if !v.dead && (v.holdUntil.Before(first.holdUntil) || v.holdUntil.Equal(first.holdUntil) && v.asked < first.asked) {
			first = v
		}
	}
	return first
}

// noneLeft says why there is no key to use.
func (r *Ring) noneLeft() error {
	for _, v := range r.list {
		switch {
		case v.unusable != nil:
			return fmt.Errorf("%w: version %q: %w", ErrNoKey, v.label(), v.unusable)
		case v.role == RolePending:
			return fmt.Errorf("%w yet: version %q is not to be used before %v", ErrNoKey, v.label(), v.key.Load().NotBefore)
		}
	}
	return fmt.Errorf("%w: all have expired or are revoked", ErrNoKey)
}

// age is how long ago the source was last read with success, by the clock that
// says more: a machine that slept has only its wall clock to tell (F72).
func (r *Ring) age(now time.Time) time.Duration {
	return max(now.Sub(r.lastRead), now.Round(0).Sub(r.lastRead.Round(0)))
}

// watchAge reports what time alone brings about. The caller holds mu.
func (r *Ring) watchAge(now time.Time) {
	stale := r.cached && r.failures > 0 || r.reads > 0 && r.age(now) >= r.staleAfter()
	if stale && !r.stale {
		r.emit(Event{Kind: Stale, Err: r.lastErr})
	}
	r.stale = stale
	if s := r.snap.Load(); s.current != nil && s.current != r.expiring && r.expiresSoon(s.current, now) {
		r.expiring = s.current
		r.emit(Event{Kind: Expiring, Version: s.current.label()})
	}
}

// expiresSoon reports whether v ends soon with nothing to follow it.
func (r *Ring) expiresSoon(v *version, now time.Time) bool {
	end := v.key.Load().ExpiresAt
	if end.IsZero() || now.Before(end.Add(-r.cfg.expiring)) {
		return false
	}
	return !slices.ContainsFunc(r.list, func(o *version) bool {
		return o.role == RolePending && !o.key.Load().NotBefore.After(end)
	})
}

func (r *Ring) staleAfter() time.Duration {
	if r.cfg.staleAfter > 0 {
		return r.cfg.staleAfter
	}
	switch {
	case r.cfg.poll > 0:
		return 3 * r.cfg.poll
	case r.hint > 0:
		return 3 * min(max(r.hint, minPoll), maxPoll)
	default:
		return 3 * defaultPoll
	}
}

// take gives v a role.
func (v *version) take(role Role, now time.Time) {
	if v.role != role {
		v.role, v.since = role, now
	}
}

// unmark forgets a refusal.
func (v *version) unmark(epoch uint64) {
	v.marked, v.dead, v.ahead, v.epoch = false, false, false, epoch
}

// maxRetired is how many versions that are out of use the status still lists.
const maxRetired = 8

// retire takes v out of use for good and keeps its figures, not its key (F102).
// The caller holds mu and takes it off the list.
func (r *Ring) retire(v *version, why EventKind, now time.Time) {
	if v.role == RoleCurrent || v.role == RolePrevious {
		if !v.revoked {
			r.emit(Event{Kind: why, Version: v.label()})
		}
	}
	if r.expiring == v {
		r.expiring = nil
	}
	if r.waitedFor == v {
		r.waitedFor = nil
	}
	v.sample(now)
	v.take(RoleRetired, now)
	r.retired = slices.Insert(r.retired, 0, retired{label: v.label(), digest: r.digest(*v.key.Load()), figures: v.figures, status: r.describe(v, now)})
	if len(r.retired) > maxRetired {
		r.retired = r.retired[:maxRetired]
	}
}

// turn moves versions on whose time has come and returns how long it is until
// the next one's.
func (r *Ring) turn() time.Duration {
	r.mu.Lock()
	defer r.unlock()
	now := r.cfg.now()
	next := now.Add(maxPoll)
	earlier := func(t time.Time) {
		if t.After(now) && t.Before(next) {
			next = t
		}
	}
	due := false
	r.callers.sample(now)
	for _, v := range r.list {
		v.sample(now)
		if v.revoked || v.unusable != nil {
			continue
		}
		key := v.key.Load()
		end := v.until(r.cfg.overlap)
		earlier(key.NotBefore)
		earlier(end)
		due = due || v.role == RolePending && !v.pending(now) ||
			v.role != RoleRetired && (v.expired(now) || v.overlapOver(now, r.cfg.overlap))
		if v.role == RoleCurrent && !key.ExpiresAt.IsZero() {
			earlier(key.ExpiresAt.Add(-r.cfg.expiring))
			// The source is asked for a successor shortly before the end, again and
			// again, however long the poll interval: x/oauth2 has none until 10 s
			// before.
			if v.askAt.Before(key.ExpiresAt.Add(-askAhead)) {
				v.askAt = key.ExpiresAt.Add(-askAhead)
			}
			if !now.Before(v.askAt) && !v.expired(now) {
				v.askAt = now.Add(askEvery)
				r.kick()
			}
			earlier(v.askAt)
		}
	}
	earlier(r.lastRead.Add(r.staleAfter()))
	if r.cfg.maxStale > 0 {
		earlier(r.lastRead.Add(r.cfg.maxStale))
		due = due || r.snap.Load().err == nil && r.age(now) >= r.cfg.maxStale
	}
	if due {
		r.recompute(now)
		next = now // once more, for what is current now
	} else if r.ctx.Err() == nil {
		r.watchAge(now)
	}
	return max(next.Sub(now), time.Millisecond)
}

// warn reports a finding once. The caller holds mu.
func (r *Ring) warn(err error) {
	if len(r.warned) >= 256 {
		clear(r.warned)
	}
	if text := err.Error(); !r.warned[text] {
		r.warned[text] = true
		r.emit(Event{Kind: Warning, Err: err})
	}
}
