package source

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// apply takes a set that was read: all of it, or none. It reports whether the
// keys changed. The caller holds mu.
func (r *Ring) apply(set Set, made []preparation) (news bool, err error) {
	now := r.cfg.now()
	if len(set.Keys) == 0 {
		set.Complete = false // it revokes, and says nothing of the others
	}
	for _, w := range set.Warnings {
		r.warn(w)
	}
	list, err := r.merge(set, made, now)
	if err != nil {
		return false, err
	}
	if err := r.admit(list, set, now); err != nil {
		return false, err
	}

	// The decision is made: from here on everything is published together.
	for i, v := range list {
		if i < len(set.Keys) { // listed: its data may be new, its end is the source's affair
			key := set.Keys[i].Clone()
			key.Version = v.label
			v.key.Store(&key)
			v.listed, v.ending = true, false
		} else if len(set.Keys) > 0 {
			v.listed = false
		}
	}
	joined := false
	for _, v := range list {
		if !slices.Contains(r.list, v) {
			news, joined = true, true
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
	r.lastRead, r.cached = now, false
	if !set.AsOf.IsZero() && set.AsOf.Before(now) {
		r.lastRead = set.AsOf
	}
	r.hint = set.FreshFor
	r.failures, r.lastErr = 0, nil
	if news {
		r.emit(Event{Kind: Refreshed})
	}
	r.recompute(now)
	if news {
		signal(r.dirty)
	}
	if joined {
		close(r.changed)
		r.changed = make(chan struct{})
	}
	return news, nil
}

// merge makes the new list of a set: the set's keys in their order, then, if it
// is not complete, what the ring had. It changes nothing. The caller holds mu.
func (r *Ring) merge(set Set, made []preparation, now time.Time) ([]*version, error) {
	if len(set.Keys) == 0 && len(set.Revoked) == 0 {
		return nil, ErrNoKey
	}
	var list []*version
	names := make(map[string]bool)
	for i, key := range set.Keys {
		if key.Secret.IsZero() {
			return nil, fmt.Errorf("%w: a key without a secret", ErrInvalid)
		}
		if names[key.Version] && key.Version != "" {
			return nil, fmt.Errorf("%w: a version is listed twice", ErrInvalid)
		}
		names[key.Version] = true
		v := r.find(key)
		if v == nil {
			v = r.join(key, made[i], list, now)
		}
		if slices.Contains(list, v) {
			return nil, fmt.Errorf("%w: a key is listed twice", ErrInvalid)
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
func (r *Ring) find(key Key) *version {
	for _, v := range r.list {
		if v.is(key) {
			return v
		}
	}
	return nil
}

// join makes a version of a key that is new here, with what the schemes made of it.
func (r *Ring) join(key Key, made preparation, besides []*version, now time.Time) *version {
	v := &version{given: key.Version, figures: &figures{}, standing: StateUnused, epoch: r.epoch, joined: r.epoch + 1}
	v.label = made.label
	if v.label == "" {
		v.label = r.label(key, func(label string) bool {
			return slices.ContainsFunc(besides, func(o *version) bool { return o.label == label })
		}, now)
	}
	if v.given != "" && v.label != v.given { // F91
		r.warn(fmt.Errorf("version %q stands for another key than before", v.given))
	}
	key = key.Clone()
	key.Version = v.label
	v.key.Store(&key)
	for slot := len(made.values); made.err == nil && slot < len(r.prepare); slot++ {
		made.add(r.prepareWith(r.prepare[slot], key)) // of a transport that was made a moment ago
	}
	v.unusable = made.err
	v.prepared.Store(&made.values)
	return v
}

// label returns a name for a key that is new here. The caller holds mu.
func (r *Ring) label(key Key, besides func(label string) bool, now time.Time) string {
	given := key.Version
	if given == "" {
		at := key.CreatedAt
		if at.IsZero() {
			at = now
		}
		given = at.UTC().Format("20060102T150405.000Z")
	}
	taken := func(label string) bool {
		return besides(label) || slices.ContainsFunc(r.list, func(o *version) bool { return o.label == label }) ||
			slices.ContainsFunc(r.retired, func(o retired) bool { return o.label == label && key.Version == "" })
	}
	label := given
	for n := 2; taken(label); n++ {
		label = fmt.Sprintf("%s#%d", given, n)
	}
	return label
}

// A preparation is what the schemes made of one key, by slot.
type preparation struct {
	label  string // the key's name, which the schemes have seen
	values []any
	err    error
}

func (p *preparation) add(value any, err error) {
	p.values, p.err = append(p.values, value), err
}

// prepareNew has the schemes prepare the keys that the ring does not hold: off
// every lock, since it is not ours how long that takes.
func (r *Ring) prepareNew(keys []Key) []preparation {
	r.mu.Lock()
	prepare := slices.Clone(r.prepare)
	now := r.cfg.now()
	made := make([]preparation, len(keys))
	for i, key := range keys {
		if r.find(key) == nil {
			made[i].label = r.label(key, func(label string) bool {
				return slices.ContainsFunc(made[:i], func(o preparation) bool { return o.label == label })
			}, now)
		}
	}
	r.unlock()
	for i, key := range keys {
		key.Version = made[i].label
		for slot := 0; key.Version != "" && made[i].err == nil && slot < len(prepare); slot++ {
			made[i].add(r.prepareWith(prepare[slot], key))
		}
	}
	return made
}

// distinct drops keys that are listed before under the same name, or without one:
// a variable and its _PREVIOUS may well hold the same.
func distinct(keys []Key) []Key {
	var list []Key
	for _, key := range keys {
		if !slices.ContainsFunc(list, func(k Key) bool { return k.Version == key.Version && k.SameContent(key) }) {
			list = append(list, key)
		}
	}
	return list
}

func (r *Ring) prepareWith(prepare func(Key) (any, error), key Key) (p any, err error) {
	defer func() {
		if recover() != nil { // the value may hold the secret
			err = fmt.Errorf("%w: its scheme panicked", ErrUnusable)
		}
	}()
	if p, err = prepare(key); err != nil && !errors.Is(err, ErrUnusable) {
		err = fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	return p, err
}

// admit refuses a list that would put the ring in a worse place than it is in.
func (r *Ring) admit(list []*version, set Set, now time.Time) error {
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
				unusable = fmt.Errorf("version %q: %w", v.label, v.unusable)
			}
			if i == 0 && !set.Complete {
				return unusable // a good key is not replaced by an unusable one
			}
			r.warn(unusable)
		}
		// The dates are the set's, not those that the version has so far.
		key := set.Keys[i]
		dead := !key.ExpiresAt.IsZero() && !now.Before(key.ExpiresAt)
		if i == 0 && dead && !set.Complete {
			return fmt.Errorf("%w: it has expired", ErrUnusable)
		}
		revoked := v.revoked || key.Version != "" && slices.Contains(set.Revoked, key.Version)
		if next == nil && v.unusable == nil && !revoked && !dead && !now.Before(key.NotBefore) {
			next = v
		}
	}
	current := r.snap.Load().current
	switch {
	case next == nil && unusable != nil:
		return unusable
	case next == nil && current != nil && !current.expired(now) && !slices.Contains(set.Revoked, current.given) && set.Complete:
		return fmt.Errorf("%w: none that is listed can be used now", ErrNoKey)
	case next == nil && current == nil && len(r.list) == 0 && !slices.ContainsFunc(set.Keys, func(k Key) bool { return now.Before(k.NotBefore) }):
		return fmt.Errorf("%w: every key that is listed has expired or is revoked", ErrNoKey)
	case r.cfg.noRollback && next != nil && current != nil && next != current:
		older := next.wasCurrent || slices.ContainsFunc(r.retired, func(o retired) bool { return o.label == next.label })
		if a, b := set.Keys[slices.Index(list, next)].CreatedAt, current.key.Load().CreatedAt; !a.IsZero() && a.Before(b) {
			older = true
		}
		if older {
			return fmt.Errorf("%w: from version %q to %q", ErrRollback, current.label, next.label)
		}
	}
	return nil
}
