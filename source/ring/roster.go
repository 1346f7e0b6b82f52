package ring

import (
	"fmt"
	"slices"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
)

// A roster has the versions of one source, and gives each its role. It is a value
// without a lock, a goroutine, a channel or a clock, as the policy is; the ring reports
// what it says. How it takes a set is in admit.go, and in naming.go.
type roster struct {
	overlap    time.Duration // WithOverlap
	expiring   time.Duration // WithExpiring
	noRollback bool          // WithoutRollback

	list    []*version // newest first; some may be out of use, and listed by the source
	live    []*version // those that requests may have, newest first; the first is current
	retired []retired  // newest first
	barred  barred
	named   time.Time // the latest time that a key was named after
	ends    *version  // that Expiring was said of
	said    []Event   // for the ring to report; of a Warning, Err alone
}

// retired is what is left of a version that is out of use: no key (F102).
type retired struct {
	label   string
	digest  string
	figures *figures
	status  VersionStatus
}

// maxRetired is how many versions that are out of use the status still lists.
const maxRetired = 8

// current is the newest live version, nil if there is none.
func (o *roster) current() *version {
	if len(o.live) == 0 {
		return nil
	}
	return o.live[0]
}

// find returns the version that holds key already, nil if none does.
func (o *roster) find(key source.Key) *version {
	if i := slices.IndexFunc(o.list, func(v *version) bool { return v.is(key) }); i >= 0 {
		return o.list[i]
	}
	return nil
}

// due reports whether time has given a version another role.
func (o *roster) due(now time.Time) bool {
	return slices.ContainsFunc(o.list, func(v *version) bool {
		return v.unusable == nil && !v.revoked && v.dated() &&
			(v.role == RolePending && !v.pending(now) || v.role != RoleRetired && v.over(now, o.overlap))
	})
}

// assign gives every version its role at this time, and retires those whose time is over.
func (o *roster) assign(now time.Time) {
	before := o.current()
	var current *version
	if i := slices.IndexFunc(o.list, func(v *version) bool { return v.usable(now, o.overlap) }); i >= 0 {
		current = o.list[i]
	}
	var live []*version
	kept := make([]*version, 0, len(o.list))
	behind := false
	for _, v := range o.list {
		if behind && !v.listed && !v.replaced() {
			v.replacedAt = now // its overlap runs from when it was replaced
		}
		behind = behind || v == current
		switch {
		case v.unusable != nil || v.revoked:
		case v.over(now, o.overlap):
			if v.replaced() {
				o.retire(v, OverlapEnded, now)
				continue
			}
			if v.inUse() { // the source still lists it
				o.say(Event{Kind: OverlapEnded, Version: v.label()})
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

// change makes a version current in place of another, nil if there was none.
func (o *roster) change(before, current *version, now time.Time) {
	e := Event{Kind: Switched, Version: current.label()}
	if before != nil {
		e.Previous = before.label()
		if current.wasCurrent {
			e.Kind = RolledBack
		}
	}
	current.become(RoleCurrent, now)
	current.wasCurrent = true
	o.say(e)
}

// retire takes v out of use for good and keeps its figures, not its key.
func (o *roster) retire(v *version, why EventKind, now time.Time) {
	if v.inUse() && !v.revoked {
		o.say(Event{Kind: why, Version: v.label()})
	}
	if o.ends == v {
		o.ends = nil
	}
	v.sample(now)
	v.become(RoleRetired, now)
	o.retired = slices.Insert(o.retired, 0, retired{v.label(), o.barred.digest(*v.key.Load()), v.figures, v.status(o.overlap)})
	o.retired = o.retired[:min(len(o.retired), maxRetired)]
}

// inUse reports whether requests could have the version until now.
func (v *version) inUse() bool { return v.role == RoleCurrent || v.role == RolePrevious }

// revoke puts the version of that name out of use for good. news reports whether it was
// not already.
func (o *roster) revoke(label string, now time.Time) (news bool, err error) {
	i := slices.IndexFunc(o.list, func(v *version) bool { return v.label() == label })
	if i < 0 {
		return false, fmt.Errorf("%w: no version %q to revoke", source.ErrNoKey, label)
	}
	if o.list[i].revoked {
		return false, nil
	}
	o.drop(o.list[i], now)
	o.barred.add(*o.list[i].key.Load())
	return true, nil
}

// drop puts v out of use at once; it stays on the list for as long as the source
// lists it, which cannot bring it back.
func (o *roster) drop(v *version, now time.Time) {
	v.revoked = true
	v.become(RoleRetired, now)
	o.say(Event{Kind: Revoked, Version: v.label()})
}

// next returns when time alone changes a role or makes something worth saying, zero if it
// does not. ask says that the source is to be asked for a successor of the current key,
// which begins shortly before its end and goes on however long the poll interval:
// x/oauth2 has none until 10 s before.
func (o *roster) next(now time.Time) (at time.Time, ask bool) {
	for _, v := range o.list {
		if v.revoked || v.unusable != nil {
			continue
		}
		key := v.key.Load()
		at = earlier(at, key.NotBefore, now)
		at = earlier(at, v.until(o.overlap), now)
		if v.role != RoleCurrent || key.ExpiresAt.IsZero() {
			continue
		}
		at = earlier(at, key.ExpiresAt.Add(-o.expiring), now)
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

// watch says once of the current version that it ends soon with nothing to follow it.
func (o *roster) watch(now time.Time) {
	v := o.current()
	if v == nil || v == o.ends {
		return
	}
	end := v.key.Load().ExpiresAt
	if end.IsZero() || now.Before(end.Add(-o.expiring)) || slices.ContainsFunc(o.list, func(o *version) bool {
		return o.role == RolePending && !o.key.Load().NotBefore.After(end)
	}) {
		return
	}
	o.ends = v
	o.say(Event{Kind: Expiring, Version: v.label()})
}

// sample notes the times of last use.
func (o *roster) sample(now time.Time) {
	for _, v := range o.list {
		v.sample(now)
	}
}

// noneLeft says why there is no key to use.
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

func (o *roster) say(e Event) { o.said = append(o.said, e) }

// tell returns what was said since it was called last.
func (o *roster) tell() []Event {
	said := o.said
	o.said = nil
	return said
}

func (o *roster) warn(err error) { o.say(Event{Kind: Warning, Err: err}) }
