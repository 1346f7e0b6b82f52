package ring

import (
	"github.com/rollingkeys/rollingkeys/source"
	"log/slog"
	"time"
)

// Option sets how [Keep] keeps a ring.
type Option func(*config)

type config struct {
	overlap     time.Duration
	poll        time.Duration // 0: the source's own word, else defaultPoll
	readTimeout time.Duration
	refusalWait time.Duration
	staleAfter  time.Duration
	maxStale    time.Duration
	expiring    time.Duration
	failFast    bool
	noRollback  bool
	lockout     bool
	cache       Cache
	prepare     []preparer
	logger      *slog.Logger
	observers   []func(Event)
	now         func() time.Time // time.Now but in tests of clock jumps
}

const (
	defaultOverlap     = 24 * time.Hour
	defaultPoll        = 30 * time.Second
	defaultReadTimeout = 30 * time.Second
	defaultRefusalWait = 3 * time.Second
	defaultExpiring    = 24 * time.Hour

	askAhead   = time.Minute // before the current key expires
	askEvery   = 5 * time.Second
	minPoll    = time.Second
	maxPoll    = time.Hour
	minBackoff = time.Second
	maxBackoff = time.Minute
	maxRetry   = 5 * time.Minute // the most that a source's Retry-After gets
	maxHoldOff = time.Minute
	minHoldOff = time.Second

	lockoutHoldOff = 20 * time.Second

	maxPrevious = 8 // previous keys kept of a source that lists one at a time
)

// WithOverlap sets for how long a key that was replaced may still be used, for
// sources that list one key at a time; sources that list versions are believed
// instead. Default 24 h; 0 means not at all. No more than the last 8 are kept.
func WithOverlap(d time.Duration) Option { return func(c *config) { c.overlap = d } }

// WithPoll sets how often the source is read, whether it can notify or not,
// give or take a tenth. The default is the source's own word ([source.Set.FreshFor],
// between 1 s and 1 h), else 30 s. Less than 1 s counts as 1 s.
func WithPoll(d time.Duration) Option {
	return func(c *config) { c.poll = max(d, minPoll) }
}

// WithReadTimeout bounds one reading of the source. Default 30 s.
func WithReadTimeout(d time.Duration) Option {
	return func(c *config) {
		if d > 0 {
			c.readTimeout = d
		}
	}
}

// WithRefusalWait sets for how long a request whose keys were all refused may
// wait, within its own context, for the source to come up with another: the
// server may have moved first. Default 3 s; 0 waits for one reading only. While
// nothing helps, it happens once, not for every request. A key that comes and is
// refused as well gives the request as long again.
func WithRefusalWait(d time.Duration) Option { return func(c *config) { c.refusalWait = max(d, 0) } }

// WithStaleAfter sets the age of the last good reading at which the ring
// reports itself stale: the Stale event and Status().Stale. The keys go on
// being used. Default: three poll intervals.
func WithStaleAfter(d time.Duration) Option { return func(c *config) { c.staleAfter = d } }

// WithMaxStale sets the age of the last good reading beyond which the keys are
// not used any more and requests fail with [ErrStale]. Default 0: the last
// known good keys are used for ever.
func WithMaxStale(d time.Duration) Option { return func(c *config) { c.maxStale = d } }

// WithExpiring sets how long before the current key's ExpiresAt the Expiring
// event comes, if no successor is known. Default 24 h.
func WithExpiring(d time.Duration) Option { return func(c *config) { c.expiring = d } }

// WithFailFast makes Keep return the first reading's error instead of trying
// again until its context ends. A cached set still counts as a set.
func WithFailFast() Option { return func(c *config) { c.failFast = true } }

// WithoutRollback makes the ring refuse a set whose current key is older than
// the one it has: one whose content was current before, or, if the source names
// its keys, with an earlier CreatedAt. A replayed document then changes nothing
// (F90). By default a rollback at the source is
// followed and reported as RolledBack.
func WithoutRollback() Option { return func(c *config) { c.noRollback = true } }

// WithLockout is for servers that lock a client out after repeated bad keys:
// while every key is refused, requests fail with [ErrRefused] before they are
// sent, but for one each hold-off, which is 20 s doubling to 1 min. Those that come
// while the source is asked for another key wait for that: see [WithRefusalWait].
func WithLockout() Option { return func(c *config) { c.lockout = true } }

// Lockout is [WithLockout] for a ring that is there already: from now on. A
// transport whose API locks out sets it.
func (r *Ring) Lockout() {
	if r == nil || r.cancel == nil {
		return
	}
	r.enter()
	defer r.leave()
	r.policy.lockout = true
}

// WithPrepare is [Ring.Prepare] ahead of the first set: a key that its scheme
// cannot use never becomes current, not even at the start. The first such option
// has slot 0, the next 1. An error must not hold the secret.
func WithPrepare(prepare func(source.Key) (any, error)) Option {
	return func(c *config) {
		c.prepare = append(c.prepare, preparer{prepare, true, uint64(len(c.prepare) + 1)})
	}
}

// WithParams sets what a source string says of its ring: see [source.Parse].
func WithParams(p source.Params) Option {
	return func(c *config) {
		for name, option := range map[string]func(time.Duration) Option{
			"overlap": WithOverlap, "poll": WithPoll, "max_stale": WithMaxStale,
		} {
			if d, ok := p[name]; ok {
				option(d)(c)
			}
		}
	}
}

// WithCache keeps the last good keys, previous ones included, in cache, so that
// a restart within an overlap still has the previous key and a restart while
// the source is down still starts: Keep waits for the source for 2 s then. A cache is one ring's. What was saved for
// another source, by its String and, where it has a method Identity() Secret, by
// that, is not used; oauth2 sources are all called the same.
func WithCache(cache Cache) Option { return func(c *config) { c.cache = cache } }

// WithLogger sets where events that an operator must see are logged. Default
// slog.Default(); nil logs nothing.
func WithLogger(l *slog.Logger) Option { return func(c *config) { c.logger = l } }

// WithObserver calls f for every event, as [Ring.Subscribe] does, from the
// first one on.
func WithObserver(f func(Event)) Option {
	return func(c *config) { c.observers = append(c.observers, f) }
}
