package ring

import (
	"fmt"
	"github.com/rollingkeys/rollingkeys/source"
	"slices"
	"time"
)

// An offer is a set that was read, with a version for each of its keys: one that is
// there, or a new one, under the name that it will have.
type offer struct {
	set    source.Set // no two keys have one content
	list   []*version
	naming naming
}

// offer makes an offer of a set. It changes nothing. The caller holds mu.
func (r *Ring) offer(set source.Set, now time.Time) (*offer, error) {
	set.Keys = distinct(set.Keys, now)
	if len(set.Keys) == 0 {
		set.Complete = false // it revokes, and says nothing of the others
		if len(set.Revoked) == 0 {
			return nil, source.ErrNoKey
		}
	}
	of := &offer{set: set}
	names := make(map[string]bool)
	for _, key := range set.Keys {
		if key.Secret.IsZero() {
			return nil, fmt.Errorf("%w: a key without a secret", source.ErrInvalid)
		}
		if names[key.Version] && key.Version != "" {
			return nil, fmt.Errorf("%w: a version is listed twice", source.ErrInvalid)
		}
		names[key.Version] = true
		of.list = append(of.list, r.roster.find(key))
	}
	of.naming = r.roster.naming(set.Keys, of.list, now)
	for i, key := range set.Keys {
		if of.list[i] == nil {
			of.list[i] = r.join(key, of.naming.labels[i], now)
		}
	}
	return of, nil
}

// join makes a version of a key that is new here.
func (r *Ring) join(key source.Key, label string, now time.Time) *version {
	v := &version{given: key.Version, figures: &figures{}, standing: standing{state: StateUnused}}
	if slices.Contains(r.barred, r.digest(key)) {
		v.revoked = true
		v.take(RoleRetired, now)
	}
	key = key.Clone()
	key.Version = label
	v.key.Store(&key)
	return v
}

// apply takes a set that was read: all of it, or none. It reports whether the
// keys changed. The caller holds mu, of which apply lets go while schemes are at work.
func (r *Ring) apply(set source.Set) (news bool, err error) {
	for _, w := range set.Warnings {
		r.outbox.warn(w)
	}
	of, err := r.offer(set, r.cfg.now())
	if err != nil {
		return false, err
	}
	r.prepareNew(of.list)
	set, now := of.set, r.cfg.now()
	list := r.merge(of)
	if err := r.admit(list, set, now); err != nil {
		return false, err
	}

	// The decision is made: from here on everything is published together.
	for i, v := range of.list {
		joins := !slices.Contains(r.roster.list, v)
		news = news || joins || renames(set.Keys[i], v)
		if joins { // it may have gone out of use while schemes were at work
			r.roster.retired = slices.DeleteFunc(r.roster.retired, func(old retired) bool { return old.figures == v.figures })
		}
	}
	r.roster.named = of.naming.latest
	for _, name := range of.naming.reused {
		r.outbox.warn(fmt.Errorf("version %q stands for another key than before", name))
	}
	for i, v := range list {
		switch {
		case i < len(set.Keys): // its data may be new, its end is the source's affair
			key := set.Keys[i].Clone()
			if key.Version != "" {
				v.given = key.Version
			}
			key.Version = of.naming.labels[i]
			v.key.Store(&key)
			v.listed, v.ending = true, false
		case len(set.Keys) > 0:
			v.listed = false
		}
	}
	for _, v := range r.roster.list {
		if !slices.Contains(list, v) {
			news = true
			why := OverlapEnded
			if v == r.snap.Load().current {
				why = Revoked // the source dropped what was in use
			}
			r.retire(v, why, now)
		}
	}
	r.roster.list = list
	for _, v := range r.roster.list {
		if !v.revoked && slices.Contains(set.Revoked, v.given) && v.given != "" {
			news = true
			r.revoke(v)
		}
	}
	if recovered := r.health.succeeded(set.AsOf, now, set.FreshFor); news || recovered {
		r.outbox.emit(Event{Kind: Refreshed})
	}
	r.recompute(now)
	if news {
		signal(r.dirty)
	}
	return news, nil
}

// merge makes the new list of an offer: the set's keys in their order, then, if it
// is not complete, what the ring had. It changes nothing. The caller holds mu.
func (r *Ring) merge(of *offer) []*version {
	list := slices.Clone(of.list)
	if !of.set.Complete {
		for _, v := range r.roster.list {
			if !slices.Contains(list, v) && !v.revoked {
				list = append(list, v)
			}
		}
		if most := max(len(of.list), 1) + maxPrevious; len(list) > most {
			list = list[:most]
		}
	}
	return list
}

// distinct drops keys that are listed before, be it under another name: a
// variable and its _PREVIOUS may hold the same, and a store that was rolled back
// lists the old content anew. Of two, the one stays that can be used now.
func distinct(keys []source.Key, now time.Time) []source.Key {
	usable := func(k source.Key) bool { return !pending(&k, now) && !expired(&k, now) }
	var list []source.Key
	for _, key := range keys {
		switch i := slices.IndexFunc(list, key.SameContent); {
		case i < 0:
			list = append(list, key)
		case !usable(list[i]) && usable(key):
			list[i] = key
		}
	}
	return list
}

// admit refuses a list that would put the ring in a worse place than it is in.
func (r *Ring) admit(list []*version, set source.Set, now time.Time) error {
	if len(set.Keys) == 0 {
		return nil // it revokes, and says nothing else
	}
	var next *version
	var unusable error
	for i, v := range list {
		if i >= len(set.Keys) {
			break
		}
		if v.unusable != nil && unusable == nil {
			unusable = v.unusable
			if v.given != "" { // a name of our own making says nothing, and changes
				unusable = fmt.Errorf("version %q: %w", v.label(), v.unusable)
			}
			if i == 0 && !set.Complete {
				return unusable // a good key is not replaced by an unusable one
			}
			r.outbox.warn(unusable)
		}
		// The dates are the set's, not those that the version has so far.
		key := set.Keys[i]
		dead := expired(&key, now)
		if i == 0 && dead && !set.Complete {
			return fmt.Errorf("%w: it has expired", source.ErrUnusable)
		}
		revoked := v.revoked || key.Version != "" && slices.Contains(set.Revoked, key.Version)
		if next == nil && v.unusable == nil && !revoked && !dead && !pending(&key, now) {
			next = v
		}
	}
	current := r.snap.Load().current
	switch {
	case next == nil && unusable != nil:
		return unusable
	case next == nil && current != nil && !current.expired(now) && !slices.Contains(set.Revoked, current.given) && set.Complete:
		return fmt.Errorf("%w: none that is listed can be used now", source.ErrNoKey)
	case next == nil && current == nil && len(r.roster.list) == 0 && !slices.ContainsFunc(set.Keys, func(k source.Key) bool { return pending(&k, now) }):
		return fmt.Errorf("%w: every key that is listed has expired or is revoked", source.ErrNoKey)
	case r.cfg.noRollback && next != nil && current != nil && next != current:
		digest := r.digest(*next.key.Load())
		older := next.wasCurrent || slices.ContainsFunc(r.roster.retired, func(o retired) bool { return o.digest == digest })
		// A key without a name has its time from a file, and a copy keeps the time
		// of what was copied.
		if a, b := set.Keys[slices.Index(list, next)].CreatedAt, current.key.Load().CreatedAt; next.given != "" && !a.IsZero() && a.Before(b) {
			older = true
		}
		if older {
			return fmt.Errorf("%w: from version %q to %q", ErrRollback, current.label(), next.label())
		}
	}
	return nil
}
