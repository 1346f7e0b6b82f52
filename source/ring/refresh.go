package ring

import (
	"context"
	"fmt"
	"github.com/rollingkeys/rollingkeys/source"
)

// A flight is one reading of the source, shared by all who wait for it.
type flight struct {
	done chan struct{}
	err  error // valid after done
	news bool
}

// read returns the reading that is under way, or starts one.
func (r *Ring) read() *flight {
	r.mu.Lock()
	defer r.unlock()
	if r.flight == nil {
		return r.begin(&flight{done: make(chan struct{})})
	}
	return r.flight
}

// readAfter returns a reading that begins after now: not the one under way,
// which may have seen the source as it was before.
func (r *Ring) readAfter() *flight {
	r.mu.Lock()
	defer r.unlock()
	if r.flight == nil {
		return r.begin(&flight{done: make(chan struct{})})
	}
	if r.next == nil {
		r.next = &flight{done: make(chan struct{})}
	}
	return r.next
}

// begin starts f. The caller holds mu.
func (r *Ring) begin(f *flight) *flight {
	r.flight = f
	if r.ctx.Err() != nil {
		f.err, r.flight = r.fail(ErrClosed), nil
		close(f.done)
		return f
	}
	r.wg.Go(func() { r.fly(f) })
	return f
}

// fly reads the source. Its context is nobody's in particular: it outlives the
// request that asked (F62), and ends with the read timeout or the ring.
func (r *Ring) fly(f *flight) {
	ctx, cancel := context.WithTimeout(r.ctx, r.cfg.readTimeout)
	defer cancel()
	var set source.Set
	err := r.guard(func() (err error) {
		set, err = r.src.Read(ctx)
		return err
	})
	if r.ctx.Err() != nil {
		err = ErrClosed
	}

	var made []preparation
	if err == nil {
		set.Keys = distinct(set.Keys, r.cfg.now())
		made = r.prepareNew(set.Keys)
	}

	r.mu.Lock()
	if err == nil {
		f.news, err = r.apply(set, made)
	}
	if err != nil {
		f.err = r.fail(err)
		r.readFailed(f.err)
	}
	r.flight = nil
	if next := r.next; next != nil {
		r.next = nil
		r.begin(next)
	}
	r.unlock()
	close(f.done)
	signal(r.wake)
}

// readFailed notes an error. The caller holds mu.
func (r *Ring) readFailed(err error) {
	if r.health.failedWith(err) {
		r.outbox.emit(Event{Kind: RefreshFailed, Err: err})
	}
	r.watchAge(r.cfg.now())
}

// Refresh reads the source now and returns when what it read is in use, or with
// the reading's error, or when ctx ends (the reading then goes on). The reading
// begins after the call; callers that come together share one.
func (r *Ring) Refresh(ctx context.Context) error {
	if r == nil || r.cancel == nil {
		return fmt.Errorf("ring: %w", ErrClosed)
	}
	f := r.readAfter()
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return r.fail(fmt.Errorf("%w: %w", source.ErrUnavailable, context.Cause(ctx)))
	case <-r.ctx.Done():
		return r.fail(ErrClosed)
	}
}
