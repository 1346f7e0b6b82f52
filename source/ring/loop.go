package ring

import (
	"context"
	"fmt"
	"github.com/rollingkeys/rollingkeys/source"
	"time"
)

// loop polls, reads when the source says so, and moves versions on when their time comes.
func (r *Ring) loop() {
	r.mu.Lock()
	poll := time.NewTimer(r.health.first())
	r.mu.Unlock()
	defer poll.Stop()
	moves := time.NewTimer(time.Hour)
	defer moves.Stop()
	var quiet throttle
	var reading *flight
	var told bool // of something new, which has not been read yet
	last := r.cfg.now()
	for {
		moves.Reset(r.schedule())
		// While a reading is out, what the source says waits: it is read for
		// afterwards, once it is known whether this one brought anything.
		done, kicks := (chan struct{})(nil), r.kicks
		if reading != nil {
			done, kicks = reading.done, nil
		}
		select {
		case <-r.ctx.Done():
			return
		case <-done:
			quiet.note(reading.news)
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
		case <-r.wake:
		}
		// F111: a machine that slept, or whose clock was set, reads as soon as that
		// is noticed: within a minute that it is awake.
		now := r.cfg.now()
		if skew := now.Round(0).Sub(last.Round(0)) - now.Sub(last); skew.Abs() > 10*time.Second {
			reading = r.reader.readAfter()
		}
		last = now
	}
}

// throttle slows down a source that cries wolf.
type throttle struct {
	fruitless int
	since     time.Time
}

func (t *throttle) note(news bool) {
	if now := time.Now(); news || now.Sub(t.since) > time.Second {
		t.fruitless, t.since = 0, now
		return
	}
	t.fruitless++
}

func (t *throttle) wait(ctx context.Context) bool {
	if t.fruitless < 32 {
		return true
	}
	timer := time.NewTimer(25 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// notify keeps the source's notification running.
func (r *Ring) notify(n source.Notifier) {
	for failures := 0; r.ctx.Err() == nil; failures++ {
		started := time.Now()
		err := guard(func() error { return n.Notify(r.ctx, r.kick) })
		if r.ctx.Err() != nil {
			return
		}
		if time.Since(started) > maxBackoff {
			failures = 0
		}
		if err != nil {
			r.mu.Lock()
			r.outbox.warn(fmt.Errorf("no notification, polling only: %w", err))
			r.unlock()
		}
		t := time.NewTimer(r.backoff(failures, err))
		select {
		case <-t.C:
		case <-r.ctx.Done():
			t.Stop()
		}
	}
}

func (r *Ring) kick() { signal(r.kicks) }

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// schedule moves versions on whose time has come, and returns how long it is until
// there is something to do again, a minute at most.
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
		return time.Millisecond // once more, for what is current now
	case r.ctx.Err() == nil:
		r.watch(now)
	}
	at = earlier(at, r.health.next(now), now)
	at = earlier(at, now.Add(time.Minute), now)
	return max(at.Sub(now), time.Millisecond)
}

// backoff is the time before the next try: see [health.backoff].
func (r *Ring) backoff(failures int, err error) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.health.backoff(failures, err)
}

// pause is the time to the next poll: see [health.pause].
func (r *Ring) pause(told bool) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.health.pause(told, r.snap.Load().err)
}
