package ring

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
)

const (
	cacheGrace   = 2 * time.Second  // how long Keep waits for the source if the cache has keys
	waitingEvery = 30 * time.Second // how often Keep says that it waits
)

// start begins to notify the ring, waits for the first set, and begins the rest.
func (r *Ring) start(ctx context.Context) error {
	cached := r.load(ctx)
	if n, ok := r.reader.src.(source.Notifier); ok {
		r.wg.Go(func() { r.notify(n) }) // F135: it may tell of the first set
	}
	if err := r.awaitFirst(ctx, cached); err != nil {
		return err
	}
	r.wg.Go(r.loop)
	if r.cfg.cache != nil {
		r.wg.Go(r.cacheLoop)
	}
	return nil
}

// awaitFirst reads the source until there is a key to use: again after each back-off, and
// when the source notifies. With cached keys it waits for one reading, for cacheGrace at
// most. It says what it waits for after the first reading, and then every waitingEvery.
func (r *Ring) awaitFirst(ctx context.Context, cached bool) error {
	var grace <-chan time.Time
	if cached {
		t := time.NewTimer(cacheGrace)
		defer t.Stop()
		grace = t.C
	}
	reading := r.reader.read()
	retry := time.NewTimer(time.Hour)
	defer retry.Stop()
	say := time.NewTicker(waitingEvery)
	defer say.Stop()
	var quiet throttle
	var last error // why there is no key to use
	for failures := 0; ; {
		done, kicks := (chan struct{})(nil), r.signals.kicks
		if reading != nil {
			done, kicks = reading.done, nil
		}
		select {
		case <-done:
			err := reading.err
			if cached || err == nil {
				err = r.snap.Load().err // a set whose keys are all pending is not enough
			}
			switch {
			case err == nil:
				return nil
			case r.cfg.failFast, permanent(err): // F134
				return r.noFirst(err, nil)
			case last == nil:
				r.waiting(ctx, err)
			}
			quiet.record(reading.news)
			reading, last = nil, err
			retry.Reset(r.backoff(failures, err))
			failures++
		case <-retry.C:
			if reading == nil {
				reading = r.reader.read()
			}
		case <-kicks:
			if !quiet.wait(ctx) {
				continue
			}
			reading = r.reader.readAfter()
		case <-grace:
			if r.snap.Load().err == nil {
				return nil
			}
		case <-say.C:
			r.waiting(ctx, last)
		case <-ctx.Done():
			if err := r.lastError(); err != nil {
				last = err
			}
			return r.noFirst(context.Cause(ctx), last)
		}
	}
}

// permanent reports whether err says that reading again is in vain.
func permanent(err error) bool {
	var e *source.Error
	return errors.As(err, &e) && e.Permanent
}

// waiting emits a Waiting event. why is nil while the first reading goes on.
func (r *Ring) waiting(ctx context.Context, why error) {
	if why == nil {
		why = r.fail(fmt.Errorf("%w: the first reading has not ended", source.ErrUnavailable))
	}
	until := "for ever: its context has no deadline"
	if deadline, ok := ctx.Deadline(); ok {
		until = fmt.Sprintf("for %v more", time.Until(deadline).Round(time.Millisecond))
	}
	r.mu.Lock()
	defer r.unlock()
	r.outbox.emit(Event{Kind: Waiting, Err: fmt.Errorf("Keep waits for the first key, %s: %w", until, why)})
}

func (r *Ring) noFirst(err, last error) error {
	if errors.Is(err, source.ErrNoKey) {
		return err
	}
	if last != nil && last != err {
		err = fmt.Errorf("%w; the last reading: %w", err, last)
	}
	return r.fail(fmt.Errorf("%w yet: %w", source.ErrNoKey, err))
}

func (r *Ring) lastError() error {
	r.mu.Lock()
	defer r.unlock()
	return r.health.lastErr
}
