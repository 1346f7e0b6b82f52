package ring

import (
	"context"
	"fmt"

	"github.com/rollingkeys/rollingkeys/source"
)

// Refresh reads the source now, and returns when the keys that it read are in use, or with
// the reading's error, or when ctx ends; the reading then goes on. The reading begins after
// the call. Calls that come together share one.
func (r *Ring) Refresh(ctx context.Context) error {
	if r == nil || r.cancel == nil {
		return fmt.Errorf("ring: %w", ErrClosed)
	}
	if ctx == nil {
		return r.fail(errNoContext)
	}
	f := r.reader.readAfter()
	select {
	case <-f.done:
	case <-ctx.Done():
	case <-r.ctx.Done():
	}
	select {
	case <-f.done: // also if the ring was closed since
		if f.err != nil {
			return r.fail(f.err)
		}
		return nil
	default:
	}
	if r.ctx.Err() != nil {
		return r.fail(ErrClosed)
	}
	return r.fail(fmt.Errorf("%w: %w", source.ErrUnavailable, context.Cause(ctx)))
}

// handleReading has the ring admit the set that a reading returned, or records its error.
// It reports whether the keys changed.
func (r *Ring) handleReading(set source.Set, err error) (news bool, _ error) {
	defer signal(r.signals.wake)
	r.mu.Lock()
	defer r.unlock()
	if err == nil {
		news, err = r.admit(set)
	}
	if err == nil {
		return news, nil
	}
	err = r.fail(err)
	if r.health.failedWith(err) {
		r.outbox.emit(Event{Kind: RefreshFailed, Err: err})
	}
	r.watch(r.cfg.now())
	return false, err
}

// admit has the roster admit a set, and publishes the result. The caller holds mu; admit
// releases it while schemes prepare the new keys.
func (r *Ring) admit(set source.Set) (news bool, err error) {
	for _, w := range set.Warnings {
		r.outbox.warn(w)
	}
	of, err := r.roster.offer(set, r.cfg.now())
	if err != nil {
		return false, err
	}
	r.prepareNew(of.list)
	now := r.cfg.now()
	news, err = r.roster.admit(of, now)
	r.outbox.relay(r.roster.drain())
	if err != nil {
		return false, err
	}
	if recovered := r.health.succeeded(set.AsOf, now, set.FreshFor); news || recovered {
		r.outbox.emit(Event{Kind: Refreshed})
	}
	r.recompute(now)
	if news {
		signal(r.signals.dirty)
	}
	return news, nil
}
