package ring

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
)

// health records how the readings of a source go, and decides when the next one is due. It
// is a value without a lock, a goroutine, a channel or a clock, as the policy is.
type health struct {
	poll       time.Duration  // WithPoll; 0 means the source decides
	staleAfter time.Duration  // WithStaleAfter; 0 means three intervals
	maxStale   time.Duration  // WithMaxStale; 0 means no limit
	random     func() float64 // returns a number in [0, 1); nil means math/rand

	reads, failed uint64        // the readings since Keep, and those of them that failed
	failures      int           // failed readings in a row
	lastRead      time.Time     // when the keys were read, at their origin if the source returned a copy
	lastErr       error         // of the last reading
	hint          time.Duration // the source's FreshFor
	cached        bool          // the keys come from the cache
	stale         bool          // what check found last
}

// succeeded records a reading of keys as they were at asOf; zero means now. recovered
// reports whether the reading before had failed.
func (h *health) succeeded(asOf, now time.Time, freshFor time.Duration) (recovered bool) {
	h.reads++
	h.lastRead, h.cached, h.hint = now, false, freshFor
	if !asOf.IsZero() && asOf.Before(now) {
		h.lastRead = utc(asOf)
	}
	recovered = h.failures > 0
	h.failures, h.lastErr = 0, nil
	return recovered
}

// failedWith records a failed reading. news reports whether the error is another one than
// that of the reading before.
func (h *health) failedWith(err error) (news bool) {
	h.reads++
	h.failed++
	h.failures++
	news = h.lastErr == nil || h.lastErr.Error() != err.Error()
	h.lastErr = err
	return news
}

// restored records that the keys come from the cache, and were read at asOf.
func (h *health) restored(asOf time.Time) { h.cached, h.lastRead = true, utc(asOf) }

// age returns how long ago the keys were read.
func (h *health) age(now time.Time) time.Duration { return elapsed(h.lastRead, now) }

// outdated reports whether the keys are too old to be used.
func (h *health) outdated(now time.Time) bool { return h.maxStale > 0 && h.age(now) >= h.maxStale }

// check checks whether the keys are stale.
func (h *health) check(now time.Time) {
	h.stale = h.cached && h.failures > 0 || h.reads > 0 && !h.lastRead.IsZero() && h.age(now) >= h.staleAge() // F134
}

func (h *health) staleAge() time.Duration {
	if h.staleAfter > 0 {
		return h.staleAfter
	}
	return 3 * h.interval()
}

// next returns when the keys become stale or outdated, whichever is first after now; zero
// if they are both, or neither will happen.
func (h *health) next(now time.Time) (at time.Time) {
	at = earlier(at, h.lastRead.Add(h.staleAge()), now)
	if h.maxStale > 0 {
		at = earlier(at, h.lastRead.Add(h.maxStale), now)
	}
	return at
}

// earlier returns the earlier of at and t. It ignores t unless it is after now, and at if
// it is zero.
func earlier(at, t, now time.Time) time.Time {
	if t.After(now) && (at.IsZero() || t.Before(at)) {
		return t
	}
	return at
}

// interval returns the time between two polls, without jitter.
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

// firstPause returns the time to the first poll. It is uniform over an interval with its
// jitter: clients that start together then poll as evenly in the first interval as
// clients that have run for long (F77).
func (h *health) firstPause() time.Duration {
	return time.Duration(h.float() * float64(h.jitter(h.interval(), pollJitter)))
}

// pause returns the time to the next poll after a reading. told says that the source
// notified of something that was not read yet. missing is the error that requests get
// because there is no key for them, nil if there is one.
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
		return h.jitter(min(h.interval(), 5*minPoll), pollJitter) // requests fail until there is a key
	}
	return h.jitter(h.interval(), pollJitter)
}

// backoff returns the time to the next try after err, which followed that many failures in
// a row: 1 s, doubling up to the poll interval or a minute; or what the source asks for,
// from 1 s to 5 minutes (F77).
func (h *health) backoff(failures int, err error) time.Duration {
	if d := retryAfter(err); d > 0 {
		return h.jitter(min(max(d, minBackoff), maxRetry), pollJitter)
	}
	interval := max(h.interval(), minBackoff)
	d := minBackoff << min(failures, 10)
	if d >= interval && interval <= maxBackoff {
		// With a larger jitter than that of polling, 10,000 clients would come in waves
		// after an outage, with a third more readings at the peak.
		return h.jitter(interval, pollJitter)
	}
	return h.jitter(min(d, maxBackoff), backoffJitter)
}

const (
	pollJitter    = 0.1
	backoffJitter = 0.5
)

// retryAfter returns how long the source asks clients to wait, zero if it does not.
func retryAfter(err error) time.Duration {
	if e := (*source.Error)(nil); errors.As(err, &e) {
		return e.RetryAfter
	}
	return 0
}

// jitter returns d, longer or shorter by up to that fraction of it.
func (h *health) jitter(d time.Duration, by float64) time.Duration {
	return time.Duration(float64(d) * (1 - by + 2*by*h.float()))
}

func (h *health) float() float64 {
	if h.random == nil {
		return rand.Float64()
	}
	return h.random()
}
