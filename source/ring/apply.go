package ring

import (
	"fmt"
	"github.com/rollingkeys/rollingkeys/source"
	"slices"
	"time"
)

// apply takes a set that was read: all of it, or none. It reports whether the
// keys changed. The caller holds mu.
func (r *Ring) apply(set source.Set, made []preparation) (news bool, err error) {
	now := r.cfg.now()
	if len(set.Keys) == 0 {
		set.Complete = false // it revokes, and says nothing of the others
	}
	for _, w := range set.Warnings {
		r.outbox.warn(w)
	}
	list, err := r.merge(set, made, now)
	if err != nil {
		return false, err
	}
	if err := r.admit(list, set, now); err != nil {
		return false, err
	}

	// The decision is made: from here on everything is published together.
	labels, joined, renamed := r.relabel(list, set, now)
	news = joined || renamed
	for i, v := range list {
		switch {
		case i < len(set.Keys): // its data may be new, its end is the source's affair
			key := set.Keys[i].Clone()
			key.Version = labels[i]
			v.key.Store(&key)
			v.listed, v.ending = true, false
		case len(set.Keys) > 0:
			v.listed = false
		}
	}
	for _, v := range r.list {
		if !slices.Contains(list, v) {
			news = true
			why := OverlapEnded
			if v == r.snap.Load().current {
				why = Revoked // the source dropped what was in use
			}
			r.retire(v, why, now)
		}
	}
	r.list = list
	for _, v := range r.list {
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

// merge makes the new list of a set: the set's keys in their order, then, if it
// is not complete, what the ring had. It changes nothing. The caller holds mu.
func (r *Ring) merge(set source.Set, made []preparation, now time.Time) ([]*version, error) {
	if len(set.Keys) == 0 && len(set.Revoked) == 0 {
		return nil, source.ErrNoKey
	}
	var list []*version
	names := make(map[string]bool)
	for i, key := range set.Keys {
		if key.Secret.IsZero() {
			return nil, fmt.Errorf("%w: a key without a secret", source.ErrInvalid)
		}
		if names[key.Version] && key.Version != "" {
			return nil, fmt.Errorf("%w: a version is listed twice", source.ErrInvalid)
		}
		names[key.Version] = true
		v := r.find(key)
		if v == nil {
			v = r.join(key, made[i], list, now)
		}
		list = append(list, v)
	}
	if !set.Complete {
		for _, v := range r.list {
			if !slices.Contains(list, v) && !v.revoked {
				list = append(list, v)
			}
		}
		if most := max(len(set.Keys), 1) + maxPrevious; len(list) > most {
			list = list[:most]
		}
	}
	return list, nil
}

// find returns the version that holds key already.
func (r *Ring) find(key source.Key) *version {
	for _, v := range r.list {
		if v.is(key) {
			return v
		}
	}
	return nil
}

// join makes a version of a key that is new here, with what the schemes made of it.
func (r *Ring) join(key source.Key, made preparation, besides []*version, now time.Time) *version {
	v := &version{given: key.Version, figures: &figures{}, standing: standing{state: StateUnused}}
	r.policy.join(v)
	if slices.Contains(r.barred, r.digest(key)) {
		v.revoked = true
		v.take(RoleRetired, now)
	}
	label := made.label
	if label == "" {
		label = r.label(key, labelled(besides), now)
	}
	key = key.Clone()
	key.Version = label
	v.key.Store(&key)
	for slot, by := range r.prepare { // of a transport that was made, or went, a moment ago
		if slot < len(made.values) && made.by[slot] != by.id {
			made.by, made.values, made.err = made.by[:slot], made.values[:slot], nil
		}
		if slot == len(made.values) && made.err == nil {
			r.addBy(&made, by, key)
		}
	}
	if n := len(r.prepare); made.err == nil && len(made.values) > n {
		made.values = made.values[:n]
	}
	for slot, value := range made.values {
		if value != (unfit{}) && made.err == nil {
			r.prepare[slot].binds = true
		}
	}
	v.unusable, v.refusedBy = made.err, made.refusedBy()
	v.prepared.Store(&made.values)
	return v
}

// label returns a name for a key that is new here: its own, else one from the time
// that it is of, and another if the ring or what besides knows has it. The caller
// holds mu.
func (r *Ring) label(key source.Key, besides func(label string) bool, now time.Time) string {
	name := key.Version
	if name == "" {
		name = r.nameTime(key, now).UTC().Format("20060102T150405.000Z")
	}
	return unique(name, func(label string) bool {
		return besides(label) || labelled(r.list)(label) ||
			slices.ContainsFunc(r.retired, func(o retired) bool { return o.label == label && key.Version == "" })
	})
}

// nameTime is the time that a key without a name is named after: that of its
// making, if it is later than those that had names before; files may all be of 1970.
func (r *Ring) nameTime(key source.Key, now time.Time) time.Time {
	if key.CreatedAt.After(r.named) {
		return key.CreatedAt
	}
	return now
}

// relabel gives the listed versions the names that the source has for them now,
// in one go, since it may swap two. It notes by what time keys were named, and
// warns of a name that stood for another key (F91). joined and renamed report
// whether a version is new, and whether one that was there has another name.
func (r *Ring) relabel(list []*version, set source.Set, now time.Time) (labels []string, joined, renamed bool) {
	moves := make(map[*version]bool)
	named := r.named
	for i, key := range set.Keys {
		v := list[i]
		joins := !slices.Contains(r.list, v)
		moves[v] = key.Version != "" && (joins || key.Version != v.given)
		joined = joined || joins
		renamed = renamed || moves[v] && !joins
		if at := r.nameTime(key, now); joins && key.Version == "" && at.After(named) {
			named = at
		}
	}
	r.named = named
	for i, key := range set.Keys {
		v := list[i]
		if !moves[v] {
			labels = append(labels, v.label())
			continue
		}
		taken := func(label string) bool {
			has := func(o *version) bool { return !moves[o] && o.label() == label }
			return slices.Contains(labels, label) || slices.ContainsFunc(list, has) || slices.ContainsFunc(r.list, has)
		}
		v.given = key.Version
		labels = append(labels, unique(key.Version, taken))
		if slices.ContainsFunc(r.list, func(o *version) bool { return o != v && o.label() == v.given }) {
			r.outbox.warn(fmt.Errorf("version %q stands for another key than before", v.given))
		}
	}
	return labels, joined, renamed
}

// unique returns the name, or the name with a number that makes it one of its own.
func unique(name string, taken func(label string) bool) string {
	label := name
	for n := 2; taken(label); n++ {
		label = fmt.Sprintf("%s#%d", name, n)
	}
	return label
}

// labelled reports whether one of the versions has a label.
func labelled(list []*version) func(string) bool {
	return func(label string) bool {
		return slices.ContainsFunc(list, func(v *version) bool { return v.label() == label })
	}
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
	case next == nil && current == nil && len(r.list) == 0 && !slices.ContainsFunc(set.Keys, func(k source.Key) bool { return pending(&k, now) }):
		return fmt.Errorf("%w: every key that is listed has expired or is revoked", source.ErrNoKey)
	case r.cfg.noRollback && next != nil && current != nil && next != current:
		digest := r.digest(*next.key.Load())
		older := next.wasCurrent || slices.ContainsFunc(r.retired, func(o retired) bool { return o.digest == digest })
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
