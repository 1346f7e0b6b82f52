package ring

import (
	"errors"
	"fmt"
	"github.com/rollingkeys/rollingkeys/source"
	"slices"
)

// A preparer is the prepare function of one scheme.
type preparer struct {
	prepare func(source.Key) (any, error) // nil: the slot was given back
	binds   bool                          // what it cannot use, nobody may: it could use a key once
	id      uint64                        // slots are used again, ids are not
}

// schemes are those that prepare keys for a ring, by slot.
type schemes struct {
	list []preparer
	last uint64 // the id that was given last
}

// unfit stands for what a scheme that does not bind the ring made of a key that it
// cannot use.
type unfit struct{}

// Prepare makes prepare look at every key, those that the ring has and those
// that come, before it may be used; [Attempt.Prepared] gives what it made of
// the attempt's key, under the slot that Prepare returns. prepare must not call
// the ring; it is called once for each key that joins, and at each reading for one
// that it refused. A transport calls Prepare once, when it is made; see also
// [WithPrepare].
//
// release gives the slot back, to the next that asks: then prepare is not called any
// more, and a key that it alone refused is usable again. Call it once, from any
// goroutine, when nothing asks for the slot any more.
//
// A key that prepare refuses is unusable to this ring, and the error is what it
// said of the current one. But where prepare refuses every key there is, or the
// current one, which others that prepare keys for this ring can use, it is
// prepare that is at fault, as far as one can tell: the error and a Warning say
// so, and until it can use a key, it has no say.
func (r *Ring) Prepare(prepare func(source.Key) (any, error)) (slot int, release func(), err error) {
	if r == nil || r.cancel == nil {
		return 0, func() {}, fmt.Errorf("ring: %w: no ring", source.ErrNoKey)
	}
	made := make(map[*version]preparation)
	r.mu.Lock()
	defer r.unlock()
	for { // off every lock, until there is one for every key
		var missing []*version
		for _, v := range r.roster.list {
			if _, ok := made[v]; !ok {
				missing = append(missing, v)
			}
		}
		if len(missing) == 0 {
			break
		}
		r.unlock()
		for _, v := range missing {
			var p preparation
			p.add(preparer{prepare: prepare, binds: true}.try(*v.key.Load()))
			made[v] = p
		}
		r.mu.Lock()
	}
	current := r.snap.Load().current
	r.schemes.last++
	p := preparer{prepare: prepare, binds: made[current].err == nil, id: r.schemes.last}
	if !p.binds && !slices.ContainsFunc(r.schemes.list, func(o preparer) bool { return o.binds }) {
		p.binds = slices.ContainsFunc(r.roster.list, func(v *version) bool { return made[v].err == nil })
	}
	if err = made[current].err; err != nil {
		err = r.fail(err)
	}
	if !p.binds {
		r.outbox.warn(fmt.Errorf("a scheme cannot use version %q: %w", current.label(), made[current].err))
	}
	if slot = slices.IndexFunc(r.schemes.list, func(o preparer) bool { return o.prepare == nil }); slot < 0 {
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
		if failed := made[v].err; failed != nil && p.binds && v.unusable == nil {
			v.unusable, v.refusedBy = failed, p.id
			r.outbox.emit(Event{Kind: RefreshFailed, Version: v.label(), Err: r.fail(failed)})
		}
	}
	r.recompute(r.cfg.now())
	return slot, func() { r.release(slot) }, err
}

// release frees a slot for the next that asks. What was made for it stays with the
// versions until then; slots at the end go, once they are most of all (F116).
func (r *Ring) release(slot int) {
	r.mu.Lock()
	defer r.unlock()
	gone := r.schemes.list[slot].id
	r.schemes.list[slot] = preparer{}
	freed := false
	for _, v := range r.roster.list {
		if v.unusable != nil && v.refusedBy == gone {
			r.prepareAgain(v)
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

// prepareAgain has all schemes look at v anew. The caller holds mu.
func (r *Ring) prepareAgain(v *version) {
	var made preparation
	for slot := 0; made.err == nil && slot < len(r.schemes.list); slot++ {
		made.addBy(r.schemes.list[slot], *v.key.Load())
	}
	v.unusable, v.refusedBy = made.err, made.refusedBy()
	v.prepared.Store(&made.values)
}

// A preparation is what the schemes made of one key, by slot.
type preparation struct {
	by     []uint64 // whose the values are
	values []any
	err    error // the last one's
}

// refusedBy is the id of the scheme that cannot use the key, 0 if all can.
func (p *preparation) refusedBy() uint64 {
	if p.err == nil || len(p.by) == 0 {
		return 0
	}
	return p.by[len(p.by)-1]
}

func (p *preparation) add(value any, err error) {
	p.values, p.err = append(p.values, value), err
}

// addBy has a scheme make the next value.
func (p *preparation) addBy(by preparer, key source.Key) {
	p.by = append(p.by, by.id)
	p.add(by.try(key))
}

// keep drops what schemes made that are gone by now, and what came after it, and
// reports whether the others have all made theirs.
func (p *preparation) keep(schemes []preparer) (complete bool) {
	n := 0
	for n < len(p.by) && n < len(schemes) && p.by[n] == schemes[n].id {
		n++
	}
	if n < len(p.by) {
		p.by, p.values, p.err = p.by[:n], p.values[:n], nil
	}
	return p.err != nil || n == len(schemes)
}

// prepareNew has the schemes prepare those versions that the ring does not have yet. The
// caller holds mu, of which prepareNew lets go while a scheme is at work: it is not
// ours how long that takes. If schemes come or go meanwhile, it begins anew with them.
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
			if !made[v].keep(r.schemes.list) {
				missing = append(missing, v)
			}
		}
		if len(missing) == 0 {
			break
		}
		schemes := slices.Clone(r.schemes.list)
		r.unlock()
		for _, v := range missing {
			for p := made[v]; p.err == nil && len(p.by) < len(schemes); {
				p.addBy(schemes[len(p.by)], *v.key.Load())
			}
		}
		r.mu.Lock()
	}
	for v, p := range made {
		for slot, value := range p.values {
			if value != (unfit{}) && p.err == nil {
				r.schemes.list[slot].binds = true
			}
		}
		v.unusable, v.refusedBy = p.err, p.refusedBy()
		v.prepared.Store(&p.values)
	}
}

// try has the scheme prepare a key.
func (by preparer) try(key source.Key) (p any, err error) {
	defer func() {
		if recover() != nil { // the value may hold the secret
			err = fmt.Errorf("%w: its scheme panicked", source.ErrUnusable)
		}
	}()
	if by.prepare == nil { // a slot that was given back
		return unfit{}, nil
	}
	p, err = by.prepare(key)
	switch {
	case err != nil && !by.binds:
		return unfit{}, nil
	case err != nil && !errors.Is(err, source.ErrUnusable):
		err = fmt.Errorf("%w: %w", source.ErrUnusable, err)
	}
	return p, err
}
