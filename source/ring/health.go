package ring

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
)

// health is how the readings of a source fare, and says when the next one is due. It is
// a value without a lock, a goroutine, a channel or a clock, as the policy is.
type health struct {
	poll       time.Duration  // WithPoll; 0: the source's own word counts
	staleAfter time.Duration  // WithStaleAfter; 0: three intervals
	maxStale   time.Duration  // WithMaxStale; 0: no limit
	random     func() float64 // in [0, 1); nil: at random

	reads, failed uint64        // readings since Keep, and how many of them failed
	failures      int           // in a row
	lastRead      time.Time     // as of when the keys were true
	lastErr       error         // of the last reading
	hint          time.Duration // the source's FreshFor
	cached        bool          // the keys come out of the cache
	stale         bool          // at the last look: see turnedStale
}

// succeeded notes a reading of what was true at asOf, zero for now. recovered reports
// whether the one before had failed.
func (h *health) succeeded(asOf, now time.Time, freshFor time.Duration) (recovered bool) {
	h.reads++
	h.lastRead, h.cached, h.hint = now, false, freshFor
	if !asOf.IsZero() && asOf.Before(now) {
		h.lastRead = asOf
	}
	recovered = h.failures > 0
	h.failures, h.lastErr = 0, nil
	return recovered
}

// failedWith notes a reading that failed. news reports whether it failed otherwise than
// the one before.
func (h *health) failedWith(err error) (news bool) {
	h.reads++
	h.failed++
	h.failures++
	news = h.lastErr == nil || h.lastErr.Error() != err.Error()
	h.lastErr = err
	return news
}

// restored notes that the keys come out of the cache, and were true at asOf.
func (h *health) restored(asOf time.Time) { h.cached, h.lastRead = true, asOf }

// age is how long ago the keys were true, by the clock that says more: a machine that
// slept has only its wall clock to tell (F72).
func (h *health) age(now time.Time) time.Duration {
	return max(now.Sub(h.lastRead), now.Round(0).Sub(h.lastRead.Round(0)))
}

// outdated reports whether the keys are too old to be used.
func (h *health) outdated(now time.Time) bool { return h.maxStale > 0 && h.age(now) >= h.maxStale }

// turnedStale looks whether the keys are stale, and reports whether they were not at the
// last look.
func (h *health) turnedStale(now time.Time) bool {
	before := h.stale
	h.stale = h.cached && h.failures > 0 || h.reads > 0 && h.age(now) >= h.staleAge()
	return h.stale && !before
}

func (h *health) staleAge() time.Duration {
	if h.staleAfter > 0 {
		return h.staleAfter
	}
	return 3 * h.interval()
}

// next returns when time alone makes the keys stale or outdated, whichever is first
// after now; zero if neither is to come.
func (h *health) next(now time.Time) (at time.Time) {
	at = earlier(at, h.lastRead.Add(h.staleAge()), now)
	if h.maxStale > 0 {
		at = earlier(at, h.lastRead.Add(h.maxStale), now)
	}
	return at
}

// earlier returns t if it lies after now, and before at or at is zero; else at.
func earlier(at, t, now time.Time) time.Time {
	if t.After(now) && (at.IsZero() || t.Before(at)) {
		return t
	}
	return at
}

// interval is the time between two polls, before jitter.
func (h *health) interval() time.Duration {
	switch {
	case h.poll > 0:
		return h.poll
	case h.hint > 0:
		return min(max(h.hint, minPoll), maxPoll)
	default:
		return defaultPoll
	}
}

// first is the time to the first poll. It is uniform over an interval as it will be,
// jitter included: a fleet that starts together is then as even from the first
// interval on as one that runs for long (F77).
func (h *health) first() time.Duration {
	return time.Duration(h.float() * float64(h.jitter(h.interval(), pollJitter)))
}

// pause is the time to the next poll after a reading. told says that the source
// notified of something that has not been read yet; missing is the error that requests
// get for want of a key, nil if there is one.
func (h *health) pause(told bool, missing error) time.Duration {
	switch {
	case h.failures > 0 && !told && missing == nil:
		// While there are keys, a failing source is retried no faster than it is
		// polled: back-off from 1 s would quadruple the load of 10,000 clients as an
		// outage begins. The jitter is polling's too; a larger one bunches the clients
		// up when it ends.
		wait := h.jitter(min(h.interval(), maxBackoff), pollJitter)
		if retryAfter(h.lastErr) > 0 {
			wait = max(wait, h.backoff(h.failures-1, h.lastErr))
		}
		return wait
	case h.failures > 0:
		return h.backoff(h.failures-1, h.lastErr)
	case errors.Is(missing, source.ErrNoKey):
		return h.jitter(min(h.interval(), 5*minPoll), pollJitter) // a successor is wanted badly
	}
	return h.jitter(h.interval(), pollJitter)
}

// backoff is the time before the next try after err, with so many failures before it:
// 1 s, doubling until it is as slow as polling, at most a minute; or what the source
// asks for, within bounds (F77).
func (h *health) backoff(failures int, err error) time.Duration {
	if d := retryAfter(err); d > 0 {
		return h.jitter(min(max(d, minBackoff), maxRetry), pollJitter)
	}
	interval := max(h.interval(), minBackoff)
	d := minBackoff << min(failures, 10)
	if d >= interval && interval <= maxBackoff {
		// With another jitter than polling, a fleet would come in waves after an
		// outage: a third more at the peak, for 10,000 rings.
		return h.jitter(interval, pollJitter)
	}
	return h.jitter(min(d, maxBackoff), backoffJitter)
}

const (
	pollJitter    = 0.1
	backoffJitter = 0.5
)

// retryAfter is how long the source asks to be left alone, zero if it does not.
func retryAfter(err error) time.Duration {
	if e := (*source.Error)(nil); errors.As(err, &e) {
		return e.RetryAfter
	}
	return 0
}

// jitter makes d longer or shorter, by up to that part of it.
func (h *health) jitter(d time.Duration, by float64) time.Duration {
	return time.Duration(float64(d) * (1 - by + 2*by*h.float()))
}

func (h *health) float() float64 {
	if h.random == nil {
		return rand.Float64()
	}
	return h.random()
}
