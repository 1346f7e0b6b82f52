package ring

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
)

// cacheGrace is how long Keep waits for the source if the cache has keys.
const cacheGrace = 2 * time.Second

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
// most.
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
	var quiet throttle
	var last error // why there is no key to use
	for failures := 0; ; {
		done, kicks := (chan struct{})(nil), r.kicks
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
			case r.cfg.failFast:
				return r.noFirst(err, nil)
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
		case <-ctx.Done():
			if err := r.lastError(); err != nil {
				last = err
			}
			return r.noFirst(context.Cause(ctx), last)
		}
	}
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
