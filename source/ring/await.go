package ring

import (
	"context"
	"fmt"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
)

// Await begins an attempt with another key than have, for a connection that is logged in
// with have and must log in anew when the key changes. Give the zero Key if no connection
// is logged in. Await blocks
//
//   - until requests get another version than have;
//   - or until a refused version may be tried again: then the attempt is the one probe, as
//     a request's can be. A program that sends nothing but logins has no other way to find
//     out that the server accepts the current key by now;
//   - or, while there is no key, until there is one.
//
// The caller reports the outcome of the attempt like that of a request. Its error wraps
// ctx's, or is [ErrClosed]. Await is safe for concurrent use: of many callers one gets the
// probe.
func (r *Ring) Await(ctx context.Context, have source.Key) (Attempt, error) {
	if r == nil || r.cancel == nil {
		return Attempt{}, fmt.Errorf("ring: %w: no ring", source.ErrNoKey)
	}
	if ctx == nil {
		return Attempt{}, r.fail(errNoContext)
	}
	for {
		a, at, moved := r.another(have)
		if a.v != nil {
			return a, nil
		}
		if err := r.awaitMove(ctx, at, moved); err != nil {
			return Attempt{}, r.fail(err)
		}
	}
}

// awaitMove waits until moved is closed or, unless at is zero, until at.
func (r *Ring) awaitMove(ctx context.Context, at time.Time, moved <-chan struct{}) error {
	var due <-chan time.Time
	if !at.IsZero() {
		t := time.NewTimer(at.Sub(r.cfg.now()))
		defer t.Stop()
		due = t.C
	}
	select {
	case <-moved:
	case <-due:
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-r.ctx.Done():
		return ErrClosed
	}
	return nil
}

// another begins an attempt with another key than have, if there is one to log in with now.
// Otherwise it returns when there may be one by time alone, zero if never, and a channel
// that is closed when the snapshot has changed.
func (r *Ring) another(have source.Key) (a Attempt, at time.Time, moved <-chan struct{}) {
	now := r.enter()
	defer r.leave()
	if r.moved == nil {
		r.moved = make(chan struct{})
	}
	if r.snap.Load().err == nil {
		var v *version
		if v, a.probe, at = r.policy.another(r.roster.find(have), now); v != nil {
			a.ring, a.left, a.shard = r, r.policy.moment, shard()
			a.begun(v)
		}
	}
	return a, at, r.moved
}

// wakeAwaiting wakes the callers of Await. The caller holds mu.
func (r *Ring) wakeAwaiting() {
	if r.moved != nil {
		close(r.moved)
		r.moved = nil
	}
}
