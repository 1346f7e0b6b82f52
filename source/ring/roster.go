package ring

import (
	"fmt"
	"slices"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
)

// A roster has the versions of one source, and gives each its role. It is a value without
// a lock, a goroutine, a channel or a clock, as the policy is. How it admits a set is in
// admit.go, how versions get their names in naming.go.
type roster struct {
	overlap    time.Duration // WithOverlap
	expiring   time.Duration // WithExpiring
	maxAge     time.Duration // WithMaxAge; 0 means no limit
	noRollback bool          // WithoutRollback

	list    []*version // newest first; a version out of use stays while the source lists it
	live    []*version // the versions that requests may get, newest first; the first is current
	retired []retired  // newest first
	gone    []gone     // oldest first
	digests digests
	named   time.Time // the latest time that a key was named after
	ranks   uint64    // the rank of the version that became current last
	renews  bool      // the source renews its keys: see source.Set
	events  []Event   // for the ring to send
}

// retired is what the ring remembers of a version that is out of use; not its key (F102).
type retired struct {
	label    string
	digest   string
	counters *counters
	status   VersionStatus
}

// maxRetired is how many retired versions the status lists, besides those that are still
// in flight or pinned.
const maxRetired = 8

// gone is what the ring remembers of a retired key that the source may go on listing, since
// it has a history.
type gone struct {
	digest     string
	replacedAt time.Time
}

// maxGone is how many of these are remembered: more than a history has.
const maxGone = 64

// current returns the newest live version, nil if there is none.
func (o *roster) current() *version {
	if len(o.live) == 0 {
		return nil
	}
	return o.live[0]
}

// find returns the version with the content of key, nil if there is none.
func (o *roster) find(key source.Key) *version {
	if i := slices.IndexFunc(o.list, func(v *version) bool { return v.is(key) }); i >= 0 {
		return o.list[i]
	}
	return nil
}

// countersOf returns the counters of the version with the content of key, which may be a
// retired one; nil if there is none.
func (o *roster) countersOf(key source.Key) *counters {
	if v := o.find(key); v != nil {
		return v.counters
	}
	if old := o.formerly(o.digests.of(key)); old != nil {
		return old.counters
	}
	return nil
}

// formerly returns what is left of the retired version with the digest, nil if there is none.
func (o *roster) formerly(digest string) *retired {
	if i := slices.IndexFunc(o.retired, func(old retired) bool { return old.digest == digest }); i >= 0 {
		return &o.retired[i]
	}
	return nil
}

// due reports whether time has given a version another role.
func (o *roster) due(now time.Time) bool {
	return slices.ContainsFunc(o.list, func(v *version) bool {
		switch {
		case v.unusable != nil, v.revoked, v.role == RoleRetired:
			return false
		case v.role == RolePending && !v.pending(now), v.expired(now):
			return true
		}
		return (v.role == RolePrevious || o.covered(v)) && (o.begins(v) || o.ends(v, now))
	})
}

// assign gives every version its role at this time, and retires those whose overlap is over.
// If another version becomes current, no overlap begins or ends: that is due once the policy
// knows the new one, which counts as not accepted.
func (o *roster) assign(now time.Time) {
	before := o.current()
	var current *version
	if i := slices.IndexFunc(o.list, func(v *version) bool { return v.usable(now) }); i >= 0 {
		current = o.list[i]
		current.replacedAt = time.Time{} // nothing replaces it, or nothing does any more
	}
	settled := current == before || o.overlap <= 0
	var live []*version
	kept := make([]*version, 0, len(o.list))
	behind := false
	for _, v := range o.list {
		if behind && settled && o.begins(v) {
			v.replacedAt = o.began(v, now)
		}
		behind = behind || v == current
		switch {
		case v.unusable != nil || v.revoked:
		case !v.listed && v.expired(now), settled && o.ends(v, now):
			o.retire(v, OverlapEnded, now)
			continue
		case v.expired(now):
			if v.inUse() {
				o.emit(Event{Kind: OverlapEnded, Version: v.label()})
			}
			v.become(RoleRetired, now)
		case v.pending(now):
			v.become(RolePending, now)
		default:
			if v != current {
				v.become(RolePrevious, now)
			}
			live = append(live, v)
		}
		kept = append(kept, v)
	}
	o.list, o.live = kept, live
	if current != nil && current != before {
		o.change(before, current, now)
	}
}

// change makes a version current in place of another; before is nil if there was none.
func (o *roster) change(before, current *version, now time.Time) {
	e := Event{Kind: Switched, Version: current.label()}
	if before != nil {
		e.Previous = before.label()
		if o.wasCurrent(current) {
			e.Kind = RolledBack
		}
	}
	o.digests.current = remember(o.digests.current, o.digests.of(*current.key.Load()), maxCurrent)
	current.become(RoleCurrent, now)
	o.ranks++
	current.rank = o.ranks
	o.emit(e)
}

// wasCurrent reports whether v became current before, be it under another name, or before it
// was forgotten or the process was restarted (F170).
func (o *roster) wasCurrent(v *version) bool {
	return v.rank > 0 || slices.Contains(o.digests.current, o.digests.of(*v.key.Load()))
}

// retire takes v out of use for good, and remembers its counters, not its key.
func (o *roster) retire(v *version, why EventKind, now time.Time) {
	if v.inUse() && !v.revoked {
		o.emit(Event{Kind: why, Version: v.label()})
	}
	v.sample(now)
	v.become(RoleRetired, now)
	key := v.key.Load()
	digest := o.digests.of(*key)
	o.retired = slices.Insert(o.retired, 0, retired{v.label(), digest, v.counters, v.status(o.overlap)})
	for i := len(o.retired) - 1; i >= 0 && len(o.retired) > maxRetired; i-- {
		if !o.retired[i].counters.busy() { // else the key may come back while it is in use (F171)
			o.retired = slices.Delete(o.retired, i, i+1)
		}
	}
	if !key.ReplacedAt.IsZero() {
		o.gone = append(o.gone, gone{digest, key.ReplacedAt})
		o.gone = o.gone[max(len(o.gone)-maxGone, 0):]
	}
}

// inUse reports whether requests could get the version so far.
func (v *version) inUse() bool { return v.role == RoleCurrent || v.role == RolePrevious }

// revoke takes the version with that name out of use for good. news is false if it was
// revoked before.
func (o *roster) revoke(label string, now time.Time) (news bool, err error) {
	i := slices.IndexFunc(o.list, func(v *version) bool { return v.label() == label })
	if i < 0 {
		return false, fmt.Errorf("%w: no version %q to revoke", source.ErrNoKey, label)
	}
	if o.list[i].revoked {
		return false, nil
	}
	o.drop(o.list[i], now)
	o.digests.revoked = remember(o.digests.revoked, o.digests.of(*o.list[i].key.Load()), maxRevoked)
	return true, nil
}

// drop takes v out of use at once. It stays on the list, revoked, while the source lists
// it.
func (o *roster) drop(v *version, now time.Time) {
	v.revoked = true
	v.become(RoleRetired, now)
	o.emit(Event{Kind: Revoked, Version: v.label()})
}

// next returns when time changes a role, or makes an event or a reading due; zero if it
// does not. ask says that the source is to be read now for a successor of the current key.
// That begins a minute before the key expires and is repeated, however long the poll
// interval: a source such as x/oauth2 has no successor until 10 s before.
func (o *roster) next(now time.Time) (at time.Time, ask bool) {
	for _, v := range o.list {
		if v.revoked || v.unusable != nil {
			continue
		}
		key := v.key.Load()
		at = earlier(at, key.NotBefore, now)
		at = earlier(at, key.ExpiresAt, now)
		if v.replaced() {
			at = earlier(at, v.replacedAt.Add(o.overlap), now)
		}
		if v.role != RoleCurrent || key.ExpiresAt.IsZero() {
			continue
		}
		if v.askAt.Before(key.ExpiresAt.Add(-askAhead)) {
			v.askAt = key.ExpiresAt.Add(-askAhead)
		}
		if !now.Before(v.askAt) && !v.expired(now) {
			v.askAt = now.Add(askEvery)
			ask = true
		}
		at = earlier(at, v.askAt, now)
	}
	return at, ask
}

// end returns when the key of v expires or, if it has no such date, when it reaches
// WithMaxAge; zero if neither is known.
func (o *roster) end(v *version) time.Time {
	key := v.key.Load()
	switch {
	case !key.ExpiresAt.IsZero():
		return key.ExpiresAt
	case o.maxAge <= 0:
		return time.Time{}
	case !key.CreatedAt.IsZero():
		return key.CreatedAt.Add(o.maxAge)
	}
	return v.seen.Add(o.maxAge)
}

// succeeded reports whether a pending version can be used by that time.
func (o *roster) succeeded(by time.Time) bool {
	return slices.ContainsFunc(o.list, func(v *version) bool {
		return v.role == RolePending && !v.key.Load().NotBefore.After(by)
	})
}

// sample samples the counters of every version.
func (o *roster) sample(now time.Time) {
	for _, v := range o.list {
		v.sample(now)
	}
}

// noneLeft returns the reason why there is no key to use.
func (o *roster) noneLeft() error {
	for _, v := range o.list {
		switch {
		case v.unusable != nil:
			return fmt.Errorf("%w: version %q: %w", source.ErrNoKey, v.label(), v.unusable)
		case v.role == RolePending:
			return fmt.Errorf("%w yet: version %q is not to be used before %v", source.ErrNoKey, v.label(), v.key.Load().NotBefore)
		}
	}
	return fmt.Errorf("%w: all have expired or are revoked", source.ErrNoKey)
}

func (o *roster) emit(e Event) { o.events = append(o.events, e) }

// drain returns the events since it was called last.
func (o *roster) drain() []Event {
	events := o.events
	o.events = nil
	return events
}

func (o *roster) warn(err error) { o.emit(Event{Kind: Warning, Err: err}) }
