package ring

import (
	"fmt"
	"slices"
	"sync"

	"github.com/rollingkeys/rollingkeys/source"
)

// Prepare makes prepare look at every key before it may be used: at those that the ring
// has, before Prepare returns, and at those that come later. [Attempt.Prepared] gives what
// prepare made of the attempt's key, under the slot that Prepare returns. prepare must not
// call the ring. It is called once for each key that joins, and at each reading for a key
// that it refused. A transport calls Prepare once, when it is made; see also [WithPrepare].
//
// release gives the slot back, for the next call of Prepare: then prepare is not called any
// more, and a key that it alone refused is usable again. Call it when nothing asks for the
// slot any more. It is safe for concurrent use, and calling it again does nothing.
//
// A key that prepare refuses is unusable to this ring; err is what prepare said of the
// current key. If prepare can use no key at all, or not the current key although another
// scheme can, the scheme is taken to be wrong, not the key: the ring emits a Warning, and
// ignores the scheme's refusals until it has prepared a key.
func (r *Ring) Prepare(prepare func(source.Key) (any, error)) (slot int, release func(), err error) {
	if r == nil || r.cancel == nil {
		return 0, func() {}, fmt.Errorf("ring: %w: no ring", source.ErrNoKey)
	}
	if prepare == nil { // it would stand for a free slot
		return 0, func() {}, r.fail(fmt.Errorf("%w: Prepare was given no function", source.ErrUnusable))
	}
	only := []scheme{{prepare: prepare, trusted: true}}
	made := make(map[*version]*preparation)
	r.mu.Lock()
	defer r.unlock()
	for { // without the lock, until there is a preparation for every key
		var missing []*version
		for _, v := range r.roster.list {
			if made[v] == nil {
				missing = append(missing, v)
			}
		}
		if len(missing) == 0 {
			break
		}
		r.unlock()
		for _, v := range missing {
			made[v] = new(preparation)
			made[v].finish(only, *v.key.Load())
		}
		r.mu.Lock()
	}
	current := r.snap.Load().current
	if made[current] != nil {
		err = made[current].err
	}
	r.schemes.last++
	p := scheme{prepare: prepare, trusted: err == nil, id: r.schemes.last}
	if !p.trusted && !slices.ContainsFunc(r.schemes.list, func(o scheme) bool { return o.trusted }) {
		p.trusted = slices.ContainsFunc(r.roster.list, func(v *version) bool { return made[v].err == nil })
	}
	if !p.trusted {
		r.outbox.warn(fmt.Errorf("a scheme cannot use version %q: %w", current.label(), err))
	}
	if err != nil {
		err = r.fail(err)
	}
	if slot = slices.IndexFunc(r.schemes.list, func(o scheme) bool { return o.prepare == nil }); slot < 0 {
		slot = len(r.schemes.list)
		r.schemes.list = append(r.schemes.list, p)
	}
	r.schemes.list[slot] = p
	for _, v := range r.roster.list {
		prepared := slices.Clone(*v.prepared.Load())
		prepared = append(prepared, make([]any, max(slot+1-len(prepared), 0))...)
		prepared[slot] = made[v].values[0]
		if made[v].err != nil {
			prepared[slot] = unfit{}
		}
		v.prepared.Store(&prepared)
		if refused := made[v].err; refused != nil && p.trusted && v.unusable == nil {
			v.unusable, v.refusedBy = refused, p.id
			r.outbox.emit(Event{Kind: RefreshFailed, Version: v.label(), Err: r.fail(refused)})
		}
	}
	r.recompute(r.cfg.now())
	return slot, sync.OnceFunc(func() { r.release(slot) }), err
}

// release frees a slot for the next scheme. The values in it stay with the versions until
// then. Free slots at the end go once they are half of all or more (F116).
func (r *Ring) release(slot int) {
	r.mu.Lock()
	defer r.unlock()
	gone := r.schemes.list[slot].id
	r.schemes.list[slot] = scheme{}
	freed := false
	for _, v := range r.roster.list {
		if v.unusable != nil && v.refusedBy == gone {
			var p preparation
			p.finish(r.schemes.list, *v.key.Load())
			p.give(v)
			freed = true
		}
	}
	if freed {
		defer func() { r.recompute(r.cfg.now()) }()
	}
	used := len(r.schemes.list)
	for used > 0 && r.schemes.list[used-1].prepare == nil {
		used--
	}
	if used > len(r.schemes.list)/2 {
		return
	}
	r.schemes.list = slices.Clone(r.schemes.list[:used])
	for _, v := range r.roster.list {
		if made := *v.prepared.Load(); len(made) > used {
			made = slices.Clone(made[:used])
			v.prepared.Store(&made)
		}
	}
}

// prepareNew has the schemes prepare those versions of list that have not joined yet. The
// caller holds mu; prepareNew releases it while a scheme runs, which may take any time. If
// schemes come or go meanwhile, it prepares for them too.
func (r *Ring) prepareNew(list []*version) {
	made := make(map[*version]*preparation)
	for {
		var missing []*version
		for _, v := range list {
			if slices.Contains(r.roster.list, v) {
				continue
			}
			if made[v] == nil {
				made[v] = new(preparation)
			}
			if !made[v].prune(r.schemes.list) {
				missing = append(missing, v)
			}
		}
		if len(missing) == 0 {
			break
		}
		schemes := slices.Clone(r.schemes.list)
		r.unlock()
		for _, v := range missing {
			made[v].finish(schemes, *v.key.Load())
		}
		r.mu.Lock()
	}
	for v, p := range made {
		for slot, value := range p.values {
			if value != (unfit{}) && p.err == nil {
				r.schemes.list[slot].trusted = true
			}
		}
		p.give(v)
	}
}
