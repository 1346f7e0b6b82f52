package ring

import (
	"context"
	"errors"
	"fmt"
	"github.com/rollingkeys/rollingkeys/source"
	"math/rand/v2"
	"time"
)

// loop polls, reads when the source says so, and moves versions on when their time comes.
func (r *Ring) loop() {
	// The first delay is uniform over an interval as it will be, jitter included:
	// a fleet that starts together is then as even from the first interval on as
	// one that runs for long (F77).
	poll := time.NewTimer(time.Duration(rand.Int64N(int64(jitter(r.interval(), 0.1)))))
	defer poll.Stop()
	turn := time.NewTimer(time.Hour)
	defer turn.Stop()
	var quiet throttle
	var reading *flight
	var told bool // of something new, which has not been read yet
	last := r.cfg.now()
	for {
		turn.Reset(min(r.turn(), time.Minute))
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
				reading = r.read()
			}
		case <-kicks:
			if !quiet.wait(r.ctx) {
				return
			}
			reading, told = r.readAfter(), true
		case <-turn.C:
		case <-r.wake:
		}
		// F111: a machine that slept, or whose clock was set, reads as soon as that
		// is noticed: within a minute that it is awake.
		now := r.cfg.now()
		if skew := now.Round(0).Sub(last.Round(0)) - now.Sub(last); skew.Abs() > 10*time.Second {
			reading = r.readAfter()
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
		err := r.guard(func() error { return n.Notify(r.ctx, r.kick) })
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

// interval is the time between two polls, before jitter.
func (r *Ring) interval() time.Duration {
	r.mu.Lock()
	defer r.unlock()
	switch {
	case r.cfg.poll > 0:
		return r.cfg.poll
	case r.hint > 0:
		return min(max(r.hint, minPoll), maxPoll)
	default:
		return defaultPoll
	}
}

// pause is the time to the next poll after the last reading. told says that there
// is something new to be read.
func (r *Ring) pause(told bool) time.Duration {
	r.mu.Lock()
	failures, err := r.failures, r.lastErr
	r.unlock()
	if failures > 0 && !told && r.snap.Load().err == nil {
		// There are keys: a source that is down is not asked more often than one
		// that is up. Ten thousand clients that poll each 10 s and try again after
		// 1, 2, 4 and 8 s ask it four times as often. Nor with another jitter, the
		// larger of two for one: they would come in waves when it is up again.
		wait := jitter(min(r.interval(), maxBackoff), 0.1)
		if e := (*source.Error)(nil); errors.As(err, &e) && e.RetryAfter > 0 {
			wait = max(wait, r.backoff(failures-1, err))
		}
		return wait
	}
	if failures > 0 {
		return r.backoff(failures-1, err)
	}
	if errors.Is(r.snap.Load().err, source.ErrNoKey) {
		return jitter(min(r.interval(), 5*minPoll), 0.1) // a successor is wanted badly
	}
	return jitter(r.interval(), 0.1)
}

// backoff is the time before the next try after so many failures before the
// last: doubling from 1 s, half of it jitter, until it is as slow as polling,
// whose jitter it then has; never slower than a minute; or what the source asks
// for, within bounds (F77).
func (r *Ring) backoff(failures int, err error) time.Duration {
	if e := (*source.Error)(nil); errors.As(err, &e) && e.RetryAfter > 0 {
		return jitter(min(max(e.RetryAfter, minBackoff), maxRetry), 0.1)
	}
	interval := max(r.interval(), minBackoff)
	d := minBackoff << min(failures, 10)
	if d >= interval && interval <= maxBackoff {
		// With another jitter than polling, a fleet would come in waves after an
		// outage: a third more at the peak, for 10,000 rings.
		return jitter(interval, 0.1)
	}
	return jitter(min(d, maxBackoff), 0.5)
}

func jitter(d time.Duration, by float64) time.Duration {
	return time.Duration(float64(d) * (1 - by + 2*by*rand.Float64()))
}

// guard calls f, which is not ours, and makes an error of a panic (F97).
func (r *Ring) guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: the source panicked", source.ErrUnavailable) // p may hold a secret
		}
	}()
	return f()
}
