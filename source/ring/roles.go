package ring

import (
	"slices"
	"time"
)

// advance brings the roles up to this moment, if the time of a version has come, and
// returns it. The caller holds mu.
func (r *Ring) advance() time.Time {
	now := r.cfg.now()
	if slices.ContainsFunc(r.roster.list, func(v *version) bool { return r.moves(v, now) }) {
		r.recompute(now)
	}
	return now
}

// moves reports whether time has given a version another role.
func (r *Ring) moves(v *version, now time.Time) bool {
	return v.unusable == nil && !v.revoked && v.dated() &&
		(v.role == RolePending && !v.pending(now) || v.role != RoleRetired && (v.expired(now) || v.overlapOver(now, r.cfg.overlap)))
}

// recompute gives every version its role at this time, retires those whose time
// is over, tells the policy, and publishes what comes of it. The caller holds mu.
func (r *Ring) recompute(now time.Time) {
	if r.ctx.Err() != nil {
		return
	}
	before := r.snap.Load()
	current := r.newest(now)
	var live []*version
	keep := make([]*version, 0, len(r.roster.list))
	behind := false
	for _, v := range r.roster.list {
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
				r.outbox.emit(Event{Kind: OverlapEnded, Version: v.label()})
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
	r.roster.list = keep
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
		current.wasCurrent = true
		r.outbox.emit(Event{Kind: kind, Version: current.label(), Previous: previous})
	}
	r.policy.set(r.roster.list, live)
	r.publish()
	r.watchAge(now)
}

// newest returns the version that is current at this time.
func (r *Ring) newest(now time.Time) *version {
	for _, v := range r.roster.list {
		if v.usable(now, r.cfg.overlap) {
			return v
		}
	}
	return nil
}

// watchAge reports what time alone brings about. The caller holds mu.
func (r *Ring) watchAge(now time.Time) {
	if r.health.turnedStale(now) {
		r.outbox.emit(Event{Kind: Stale, Err: r.health.lastErr})
	}
	if s := r.snap.Load(); s.current != nil && s.current != r.expiring && r.expiresSoon(s.current, now) {
		r.expiring = s.current
		r.outbox.emit(Event{Kind: Expiring, Version: s.current.label()})
	}
}

// expiresSoon reports whether v ends soon with nothing to follow it.
func (r *Ring) expiresSoon(v *version, now time.Time) bool {
	end := v.key.Load().ExpiresAt
	if end.IsZero() || now.Before(end.Add(-r.cfg.expiring)) {
		return false
	}
	return !slices.ContainsFunc(r.roster.list, func(o *version) bool {
		return o.role == RolePending && !o.key.Load().NotBefore.After(end)
	})
}

// take gives v a role.
func (v *version) take(role Role, now time.Time) {
	if v.role != role {
		v.role, v.since = role, now
	}
}

// maxRetired is how many versions that are out of use the status still lists.
const maxRetired = 8

// retire takes v out of use for good and keeps its figures, not its key (F102).
// The caller holds mu and takes it off the list.
func (r *Ring) retire(v *version, why EventKind, now time.Time) {
	if v.role == RoleCurrent || v.role == RolePrevious {
		if !v.revoked {
			r.outbox.emit(Event{Kind: why, Version: v.label()})
		}
	}
	if r.expiring == v {
		r.expiring = nil
	}
	v.sample(now)
	v.take(RoleRetired, now)
	r.roster.retired = slices.Insert(r.roster.retired, 0, retired{label: v.label(), digest: r.digest(*v.key.Load()), figures: v.figures, status: r.describe(v, now)})
	if len(r.roster.retired) > maxRetired {
		r.roster.retired = r.roster.retired[:maxRetired]
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
	for _, v := range r.roster.list {
		v.sample(now)
		if v.revoked || v.unusable != nil {
			continue
		}
		key := v.key.Load()
		end := v.until(r.cfg.overlap)
		earlier(key.NotBefore)
		earlier(end)
		due = due || r.moves(v, now)
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
	earlier(r.health.next(now))
	if due || r.snap.Load().err == nil && r.health.outdated(now) {
		r.recompute(now)
		next = now // once more, for what is current now
	} else if r.ctx.Err() == nil {
		r.watchAge(now)
	}
	return max(next.Sub(now), time.Millisecond)
}
