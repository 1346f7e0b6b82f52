package ring

import (
	"fmt"
	"slices"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
)

// An offer is a set that was read, with a version for each of its keys: one that the
// roster has, or a new one, under the name that it will have.
type offer struct {
	set    source.Set // no two keys have one content
	list   []*version
	naming naming
}

// offer makes an offer of a set. It changes nothing.
func (o *roster) offer(set source.Set, now time.Time) (*offer, error) {
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
		of.list = append(of.list, o.find(key))
	}
	of.naming = o.naming(set.Keys, of.list, now)
	for i, key := range set.Keys {
		if of.list[i] == nil {
			of.list[i] = o.join(key, of.naming.labels[i], now)
		}
	}
	return of, nil
}

// join makes a version of a key that is new here.
func (o *roster) join(key source.Key, label string, now time.Time) *version {
	v := &version{given: key.Version, figures: &figures{}, standing: standing{state: StateUnused}}
	if o.barred.has(key) {
		v.revoked = true
		v.become(RoleRetired, now)
	}
	v.set(key, label)
	return v
}

// set gives v the data of a key that has its content.
func (v *version) set(key source.Key, label string) {
	key = key.Clone()
	key.Version = label
	v.key.Store(&key)
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

// admit takes an offer, all of it or nothing. It reports whether the keys changed.
func (o *roster) admit(of *offer, now time.Time) (news bool, err error) {
	list := o.merge(of)
	if err := o.check(list, of.set, now); err != nil {
		return false, err
	}
	// The decision is made.
	o.named = of.naming.latest
	for _, name := range of.naming.reused {
		o.warn(fmt.Errorf("version %q stands for another key than before", name))
	}
	for i, v := range of.list {
		key := of.set.Keys[i]
		joins := !slices.Contains(o.list, v)
		news = news || joins || renames(key, v)
		if joins { // it may have gone out of use while schemes were at work
			o.retired = slices.DeleteFunc(o.retired, func(old retired) bool { return old.figures == v.figures })
		}
		if key.Version != "" {
			v.given = key.Version
		}
		v.set(key, of.naming.labels[i])
		v.listed, v.replacedAt = true, time.Time{} // its end is the source's affair
	}
	for _, v := range o.list {
		switch {
		case !slices.Contains(list, v):
			news = true
			why := OverlapEnded
			if v == o.current() {
				why = Revoked // the source dropped what was in use
			}
			o.retire(v, why, now)
		case len(of.list) > 0 && !slices.Contains(of.list, v):
			v.listed = false
		}
	}
	o.list = list
	for _, v := range o.list {
		if !v.revoked && slices.Contains(of.set.Revoked, v.given) && v.given != "" {
			news = true
			o.drop(v, now)
		}
	}
	return news, nil
}

// merge makes the new list of an offer: the set's keys in their order, then, if it
// is not complete, what the roster has. It changes nothing.
func (o *roster) merge(of *offer) []*version {
	list := slices.Clone(of.list)
	if of.set.Complete {
		return list
	}
	for _, v := range o.list {
		if !slices.Contains(list, v) && !v.revoked {
			list = append(list, v)
		}
	}
	return list[:min(len(list), max(len(of.list), 1)+maxPrevious)]
}

// check refuses a list, which begins with the set's keys, if it would put the ring in a
// worse place than it is in.
func (o *roster) check(list []*version, set source.Set, now time.Time) error {
	if len(set.Keys) == 0 {
		return nil // it revokes, and says nothing else
	}
	var next *version
	var unusable error
	for i, key := range set.Keys { // the dates are the set's, not those that the version has so far
		v := list[i]
		if v.unusable != nil && unusable == nil {
			unusable = v.unusable
			if v.given != "" { // a name of our own making says nothing, and changes
				unusable = fmt.Errorf("version %q: %w", v.label(), v.unusable)
			}
			if i == 0 && !set.Complete {
				return unusable // a good key is not replaced by an unusable one
			}
			o.warn(unusable)
		}
		expired := expired(&key, now)
		if i == 0 && expired && !set.Complete {
			return fmt.Errorf("%w: it has expired", source.ErrUnusable)
		}
		revoked := v.revoked || key.Version != "" && slices.Contains(set.Revoked, key.Version)
		if next == nil && v.unusable == nil && !revoked && !expired && !pending(&key, now) {
			next = v
		}
	}
	current := o.current()
	switch {
	case next == nil && unusable != nil:
		return unusable
	case next == nil && current != nil && !current.expired(now) && !slices.Contains(set.Revoked, current.given) && set.Complete:
		return fmt.Errorf("%w: none that is listed can be used now", source.ErrNoKey)
	case next == nil && current == nil && len(o.list) == 0 && !slices.ContainsFunc(set.Keys, func(k source.Key) bool { return pending(&k, now) }):
		return fmt.Errorf("%w: every key that is listed has expired or is revoked", source.ErrNoKey)
	case o.noRollback && next != nil && current != nil && next != current:
		if o.older(next, set.Keys[slices.Index(list, next)].CreatedAt, current) {
			return fmt.Errorf("%w: from version %q to %q", ErrRollback, current.label(), next.label())
		}
	}
	return nil
}

// older reports whether next, created at that time, was current before the current one.
func (o *roster) older(next *version, created time.Time, current *version) bool {
	// A key without a name has its time from a file, and a copy keeps the time of
	// what was copied.
	if next.given != "" && !created.IsZero() && created.Before(current.key.Load().CreatedAt) {
		return true
	}
	digest := o.barred.digest(*next.key.Load())
	return next.wasCurrent || slices.ContainsFunc(o.retired, func(old retired) bool { return old.digest == digest })
}
