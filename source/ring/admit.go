package ring

import (
	"fmt"
	"slices"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
)

// An offer is a set that was read, with a version for each of its keys: a version of the
// roster, or a new one. The names are final.
type offer struct {
	set    source.Set // no two keys have the same content
	list   []*version
	naming naming
}

// maxKeys is how many keys a set lists at most. What the ring does with them under its lock
// takes a time that grows with the square of their number (F181).
const maxKeys = 256

// offer makes an offer of a set. It does not change the roster.
func (o *roster) offer(set source.Set, now time.Time) (*offer, error) {
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("%w: it lists %d keys, and a set has %d at most: list those of one credential, and no old ones",
			source.ErrInvalid, len(set.Keys), maxKeys)
	}
	set.Keys = slices.Clone(set.Keys)
	for i, key := range set.Keys {
		set.Keys[i] = dated(key)
	}
	set.Keys = slices.DeleteFunc(distinct(set.Keys, now), o.over)
	if len(set.Keys) == 0 {
		set.Complete = false // the set revokes keys, and says nothing about the others
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

// join makes a version of a new key.
func (o *roster) join(key source.Key, label string, now time.Time) *version {
	v := &version{given: key.Version, counters: &counters{}, seen: now, standing: standing{state: StateUnused}}
	digest := o.digests.of(key)
	if old := o.formerly(digest); old != nil {
		// It is back: what is still in flight is its own (F171).
		v.counters, v.refusedAt = old.counters, old.status.LastRefused
	}
	if slices.Contains(o.digests.revoked, digest) {
		v.revoked = true
		v.become(RoleRetired, now)
	}
	v.set(key, label)
	return v
}

// set gives v the dates and the rest of a key with its content, and a name.
func (v *version) set(key source.Key, label string) {
	key = key.Clone()
	key.Version = label
	v.key.Store(&key)
}

// distinct returns the keys without those whose content is listed before: an environment
// variable and its _PREVIOUS may have the same content, and a store that was rolled back
// lists the old content under a new name. A key that can be used now replaces one that
// cannot.
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

// over reports whether key is one of a history that has been retired.
func (o *roster) over(key source.Key) bool {
	return !key.ReplacedAt.IsZero() && o.find(key) == nil && slices.ContainsFunc(o.gone, func(g gone) bool {
		return !key.ReplacedAt.After(g.replacedAt) && g.digest == o.digests.of(key)
	})
}

// admit takes over the keys of an offer, all or none. It reports whether the keys changed.
func (o *roster) admit(of *offer, now time.Time) (news bool, err error) {
	list := o.merge(of)
	if err := o.check(list, of.set, now); err != nil {
		return false, err
	}
	// The decision is made.
	o.named = of.naming.latest
	o.renews = of.set.Renews
	for _, name := range of.naming.reused {
		o.warn(fmt.Errorf("version %q stands for another key than before", name))
	}
	for _, name := range of.naming.renamed {
		o.warn(fmt.Errorf("version %q has another name at the source: it is longer than %d bytes, or cannot be printed", name, maxName))
	}
	for i, v := range of.list {
		key := of.set.Keys[i]
		joins := !slices.Contains(o.list, v)
		news = news || joins || renames(key, v)
		if joins { // or it was retired while schemes prepared the new keys, and is back
			o.retired = slices.DeleteFunc(o.retired, func(old retired) bool { return old.counters == v.counters })
		}
		if key.Version != "" {
			v.given = key.Version
		}
		v.set(key, of.naming.labels[i])
		switch v.listed = key.ReplacedAt.IsZero(); {
		case v.listed:
			v.unlisted, v.replacedAt = time.Time{}, time.Time{} // no overlap: the source lists it
		case v.unlisted.IsZero():
			v.unlisted = now
		}
	}
	for _, v := range o.list {
		switch {
		case !slices.Contains(list, v):
			news = true
			why := OverlapEnded
			if v == o.current() {
				why = Revoked // the source no longer lists the key in use
			}
			o.retire(v, why, now)
		case len(of.list) > 0 && !slices.Contains(of.list, v):
			if v.listed = false; v.unlisted.IsZero() {
				v.unlisted = now
			}
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

// merge returns the new list: the versions of the offer in its order, then, if the set is
// not complete, the other versions of the roster. It does not change the roster.
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
	return o.trim(list, max(len(of.list), 1)+maxPrevious)
}

// trim removes the oldest versions until n are left, but not the one accepted last (F129).
func (o *roster) trim(list []*version, n int) []*version {
	var good *version
	for _, v := range list {
		if v.proved != 0 && (good == nil || v.proved > good.proved) {
			good = v
		}
	}
	for i := len(list) - 1; len(list) > n && i > 0; i-- {
		if list[i] != good {
			list = slices.Delete(list, i, i+1)
		}
	}
	return list
}

// check returns an error if the list, which begins with the set's keys, must not replace
// the roster's: a good key must not give way to none, or to one that cannot be used.
func (o *roster) check(list []*version, set source.Set, now time.Time) error {
	if len(set.Keys) == 0 {
		return nil // the set only revokes
	}
	var next *version
	var unusable error
	for i, key := range set.Keys { // with the dates of the set; the version still has the old ones
		v := list[i]
		if v.unusable != nil && unusable == nil {
			unusable = v.unusable
			if v.given != "" { // a name from the time would make every error another one
				unusable = fmt.Errorf("version %q: %w", v.label(), v.unusable)
			}
			if i == 0 && !set.Complete {
				return unusable
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
	case o.noRollback && next != nil && next != current:
		return o.checkRollback(next, set.Keys[slices.Index(list, next)].CreatedAt)
	}
	return nil
}

// checkRollback returns an error if next, created at that time, is older than the current
// version or, if there is none, than the last one.
func (o *roster) checkRollback(next *version, created time.Time) error {
	current, digest := o.current(), o.digests.of(*next.key.Load())
	if current == nil {
		if n := len(o.digests.current); n > 0 && slices.Contains(o.digests.current[:n-1], digest) {
			return fmt.Errorf("%w: to version %q, which was current before", ErrRollback, next.label())
		}
		return nil
	}
	// Without a name from the source, created is a file's time, and says nothing: a copy
	// of a file may have the time of the original.
	older := next.given != "" && !created.IsZero() && created.Before(current.key.Load().CreatedAt)
	if older || o.wasCurrent(next) || o.formerly(digest) != nil {
		return fmt.Errorf("%w: from version %q to %q", ErrRollback, current.label(), next.label())
	}
	return nil
}
