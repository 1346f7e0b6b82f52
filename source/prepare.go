package source

import (
	"errors"
	"fmt"
	"slices"
)

// Prepare makes prepare look at every key, those that the ring has and those
// that come, before it may be used; [Attempt.Prepared] gives what it made of
// the attempt's key, under the slot that Prepare returns. A key that it refuses
// is unusable to this ring; if it is the current key, err is what prepare said of
// it. Where others prepare keys for this ring already, who can use the current key,
// it is prepare that is at fault: slot is -1 then, and nothing changes. prepare
// must not call the ring; it is called once a version. A transport calls Prepare
// once, when it is made; see also [WithPrepare].
func (r *Ring) Prepare(prepare func(Key) (any, error)) (slot int, err error) {
	if r == nil || r.cancel == nil {
		return -1, fmt.Errorf("source: %w: no ring", ErrNoKey)
	}
	r.mu.Lock()
	list, others := slices.Clone(r.list), len(r.prepare) > 0
	r.unlock()
	made := make(map[*version]preparation, len(list))
	for _, v := range list {
		var p preparation
		p.add(r.prepareWith(prepare, *v.key.Load()))
		made[v] = p
	}

	r.mu.Lock()
	defer r.unlock()
	current := r.snap.Load().current
	if p := made[current]; others && p.err != nil {
		return -1, r.fail(p.err)
	}
	slot = len(r.prepare)
	r.prepare = append(r.prepare, prepare)
	for _, v := range r.list {
		p, ok := made[v]
		if !ok { // it joined meanwhile
			p.add(r.prepareWith(prepare, *v.key.Load()))
		}
		prepared := append(slices.Clone(*v.prepared.Load()), make([]any, slot+1)...)[:slot+1]
		prepared[slot] = p.values[0]
		v.prepared.Store(&prepared)
		if p.err != nil && v.unusable == nil {
			v.unusable = p.err
			r.emit(Event{Kind: RefreshFailed, Version: v.label(), Err: r.fail(p.err)})
			if v == current {
				err = r.fail(p.err)
			}
		}
	}
	r.recompute(r.cfg.now())
	return slot, err
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
			made[i].label = r.label(key, nil, func(label string) bool {
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
