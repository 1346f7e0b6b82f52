package ring

import (
	"errors"
	"fmt"

	"github.com/rollingkeys/rollingkeys/source"
)

// A scheme is a prepare function that a ring was given.
type scheme struct {
	prepare func(source.Key) (any, error) // nil if the slot was given back
	trusted bool                          // a key that it refuses is unusable: it could use a key before
	id      uint64                        // unlike a slot, it is never used again
}

// schemes are the schemes of a ring, by slot.
type schemes struct {
	list []scheme
	last uint64 // the latest id
}

// unfit stands for what a scheme that is not trusted made of a key that it refused.
type unfit struct{}

// try has the scheme prepare a key.
func (by scheme) try(key source.Key) (p any, err error) {
	defer func() {
		if recover() != nil { // the value may contain the secret
			err = fmt.Errorf("%w: its scheme panicked", source.ErrUnusable)
		}
	}()
	if by.prepare == nil {
		return unfit{}, nil
	}
	p, err = by.prepare(key)
	switch {
	case err != nil && !by.trusted:
		return unfit{}, nil
	case err != nil && !errors.Is(err, source.ErrUnusable):
		err = fmt.Errorf("%w: %w", source.ErrUnusable, err)
	}
	return p, err
}

// A preparation is what the schemes made of one key, by slot.
type preparation struct {
	by     []uint64 // the ids of the schemes
	values []any
	err    error // of the last scheme
}

// refusedBy returns the id of the scheme that refused the key, 0 if none did.
func (p *preparation) refusedBy() uint64 {
	if p.err == nil {
		return 0
	}
	return p.by[len(p.by)-1]
}

// finish has the schemes prepare the key that have not done so yet.
func (p *preparation) finish(schemes []scheme, key source.Key) {
	for p.err == nil && len(p.by) < len(schemes) {
		by := schemes[len(p.by)]
		value, err := by.try(key)
		p.by, p.values, p.err = append(p.by, by.id), append(p.values, value), err
	}
}

// prune drops the values from the first slot on whose scheme is another one by now. It
// reports whether the preparation is complete.
func (p *preparation) prune(schemes []scheme) (complete bool) {
	n := 0
	for n < len(p.by) && n < len(schemes) && p.by[n] == schemes[n].id {
		n++
	}
	if n < len(p.by) {
		p.by, p.values, p.err = p.by[:n], p.values[:n], nil
	}
	return p.err != nil || n == len(schemes)
}

// give gives v what the schemes made of its key.
func (p *preparation) give(v *version) {
	v.unusable, v.refusedBy = p.err, p.refusedBy()
	v.prepared.Store(&p.values)
}
