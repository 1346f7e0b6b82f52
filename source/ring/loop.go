package ring

import (
	"context"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/await"
)

// loop polls the source, reads it when it notifies, and changes roles when their time comes.
func (r *Ring) loop() {
	r.mu.Lock()
	poll := time.NewTimer(r.health.firstPause())
	r.mu.Unlock()
	defer poll.Stop()
	moves := time.NewTimer(time.Hour)
	defer moves.Stop()
	var quiet throttle
	var reading *flight
	var told bool // the source notified of something that was not read yet
	last := r.cfg.now()
	for {
		moves.Reset(r.schedule())
		// A notification that comes during a reading waits until the reading is done
		// and it is known whether it brought anything.
		done, kicks := (chan struct{})(nil), r.signals.kicks
		if reading != nil {
			done, kicks = reading.done, nil
		}
		select {
		case <-r.ctx.Done():
			return
		case <-done:
			quiet.record(reading.news)
			told = told && reading.err != nil
			reading = nil
			poll.Reset(r.pause(told))
		case <-poll.C:
			if reading == nil {
				reading = r.reader.read()
			}
		case <-kicks:
			if !quiet.wait(r.ctx) {
				return
			}
			reading, told = r.reader.readAfter(), true
		case <-moves.C:
		case <-r.signals.wake:
		}
		// F111: if the machine slept, or its clock was set, the ring reads the source
		// as soon as it notices: after a minute awake at most.
		now := r.cfg.now()
		if skew := now.Round(0).Sub(last.Round(0)) - now.Sub(last); skew.Abs() > 10*time.Second {
			reading = r.reader.readAfter()
		}
		last = now
	}
}

// throttle slows down a source that notifies again and again, to 40 readings a second: after
// 32 in a second that brought nothing, and after 1,000 in a minute that did. No store
// rotates as often: such a source lists something else at each reading (F181).
type throttle struct{ fruitless, fruitful tally }

// tally counts readings.
type tally struct {
	n     int
	since time.Time
}

// add adds a reading, and begins anew if the last beginning is that long ago.
func (c *tally) add(n int, within time.Duration) {
	if now := time.Now(); now.Sub(c.since) > within {
		*c = tally{since: now}
	}
	c.n += n
}

func (t *throttle) record(news bool) {
	if news {
		t.fruitless = tally{}
		t.fruitful.add(1, time.Minute)
		return
	}
	t.fruitful.add(0, time.Minute)
	t.fruitless.add(1, time.Second)
}

func (t *throttle) wait(ctx context.Context) bool {
	return t.fruitless.n < 32 && t.fruitful.n < 1000 || await.Sleep(ctx, 25*time.Millisecond) == nil
}

// notify has the source notify the ring, and begins anew if that fails.
func (r *Ring) notify(n source.Notifier) {
	for failures := 0; r.ctx.Err() == nil; failures++ {
		started := time.Now()
		err := guard(func() error {
			return n.Notify(r.ctx, func() {
				r.watched.Store(true) // no lock: the source may hold one of its own
				r.kick()
			})
		})
		if r.ctx.Err() != nil {
			return
		}
		if time.Since(started) > maxBackoff {
			failures = 0
		}
		if err != nil {
			r.mu.Lock()
			r.ledger.lost = err
			r.watched.Store(false)
			r.watch(r.cfg.now())
			r.unlock()
		}
		_ = await.Sleep(r.ctx, r.backoff(failures, err))
	}
}

// unwatched returns why the source does not notify the ring, nil if it does, or never does.
// The caller holds mu.
func (r *Ring) unwatched() error {
	if r.watched.Load() {
		return nil
	}
	return r.ledger.lost
}

func (r *Ring) kick() { signal(r.signals.kicks) }

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// schedule changes the roles whose time has come, and returns how long it is until there
// is something to do again, a minute at most.
func (r *Ring) schedule() time.Duration {
	r.mu.Lock()
	defer r.unlock()
	now := r.cfg.now()
	r.callers.v.sample(now)
	r.roster.sample(now)
	at, ask := r.roster.next(now)
	if ask {
		r.kick()
	}
	switch {
	case r.roster.due(now), r.snap.Load().err == nil && r.health.outdated(now):
		r.recompute(now)
		return time.Millisecond // the new roles have times of their own
	default:
		at = earlier(at, r.watch(now), now)
	}
	at = earlier(at, r.health.next(now), now)
	at = earlier(at, now.Add(time.Minute), now)
	return max(at.Sub(now), time.Millisecond)
}

// backoff is [health.backoff].
func (r *Ring) backoff(failures int, err error) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.health.backoff(failures, err)
}

// pause is [health.pause].
func (r *Ring) pause(told bool) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.health.pause(told, r.snap.Load().err)
}
