package ring

import (
	"log/slog"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
)

// An Option changes how [Keep] keeps a ring. A nil Option is ignored.
type Option func(*config)

type config struct {
	overlap     time.Duration
	poll        time.Duration // 0: the source's own word, else defaultPoll
	readTimeout time.Duration
	refusalWait time.Duration
	staleAfter  time.Duration
	maxStale    time.Duration
	expiring    time.Duration
	maxAge      time.Duration
	failFast    bool
	noRollback  bool
	lockout     bool
	cache       Cache
	prepare     []scheme
	logger      *slog.Logger
	observers   []func(Event)
	now         func() time.Time // time.Now in UTC, except in tests of clock jumps
}

const (
	defaultOverlap     = 24 * time.Hour
	defaultPoll        = 30 * time.Second
	defaultReadTimeout = 30 * time.Second
	defaultRefusalWait = 3 * time.Second
	defaultExpiring    = 7 * 24 * time.Hour

	askAhead   = time.Minute // how long before the current key expires a successor is asked for
	askEvery   = 5 * time.Second
	minPoll    = time.Second
	maxPoll    = time.Hour
	minBackoff = time.Second
	maxBackoff = time.Minute
	maxRetry   = 5 * time.Minute // the longest Retry-After that is respected
	maxHoldOff = time.Minute
	minHoldOff = time.Second

	lockoutHoldOff = 20 * time.Second

	maxPrevious = 8 // remembered keys of a source that lists one at a time
)

// WithOverlap sets for how long a replaced key may still be used, for sources that list one
// key at a time or a history ([source.Key.ReplacedAt]); sources that list versions are
// believed instead. The time runs from when the server first accepts the key's successor: if
// a wrong key is put into the source, the old one is kept, and a Degraded event says so when
// the time would have ended. If the ring knows the key only from a history, and the server
// has not accepted it here, the time runs from ReplacedAt, but does not end before that. The
// key's ExpiresAt and [Ring.Revoke] end it in any case. The default is 24 h; 0 means not at
// all. The last 8 replaced keys are remembered at most.
func WithOverlap(d time.Duration) Option { return func(c *config) { c.overlap = d } }

// WithPoll sets the interval at which the source is read, whether it can notify or not, give
// or take a tenth. The default is what the source says ([source.Set.FreshFor], limited to
// 1 s to 1 h), else 30 s. Less than 1 s counts as 1 s.
func WithPoll(d time.Duration) Option {
	return func(c *config) { c.poll = max(d, minPoll) }
}

// WithReadTimeout bounds one reading of the source. The default is 30 s, also for 0 and less.
// A source that does not return then is given up 5 s later: see [source.Source].
func WithReadTimeout(d time.Duration) Option {
	return func(c *config) {
		if d > 0 {
			c.readTimeout = d
		}
	}
}

// WithRefusalWait sets for how long a request whose keys were all refused may wait for
// another key from the source: the server may have switched before the source. The default
// is 3 s; 0 waits for one reading only. If the request's context has a deadline, the wait
// ends ahead of it, by a tenth of the time that is left, by 100 ms at most: the caller then
// gets the refusal, and not the context's error. After a wait in vain no request waits
// until a key is accepted and a pause is over, which grows from 1 s to 1 min, or until
// another key becomes current. If a new key comes and is refused too, the request may wait
// as long again.
func WithRefusalWait(d time.Duration) Option { return func(c *config) { c.refusalWait = max(d, 0) } }

// WithStaleAfter sets the age of the last good reading at which the ring reports itself
// stale, with a Stale event and in [Status]. The keys are used all the same. The default is
// three poll intervals.
func WithStaleAfter(d time.Duration) Option { return func(c *config) { c.staleAfter = d } }

// WithMaxStale sets the age of the last good reading at which the keys are no longer used
// and requests fail with [ErrStale]. The default is 0: the last good keys are used for ever.
func WithMaxStale(d time.Duration) Option { return func(c *config) { c.maxStale = d } }

// WithExpiring sets how long before a key's ExpiresAt the Expiring event comes, if no
// successor is known. The event is repeated every day. The default is 7 days. If the source
// renews its keys itself ([source.Set.Renews]), the event comes only if that fails.
func WithExpiring(d time.Duration) Option { return func(c *config) { c.expiring = d } }

// WithMaxAge sets the age at which a key that has no ExpiresAt should be replaced. The ring
// says so with Expiring events, as for a key that expires then, and uses the key all the
// same. The age counts from CreatedAt, or from when the ring first saw the key, which
// [WithCache] remembers. The default is 0: such a key has no limit.
func WithMaxAge(d time.Duration) Option { return func(c *config) { c.maxAge = max(d, 0) } }

// WithFailFast makes Keep return the first reading's error. By default Keep reads the source
// again until its context ends. If the cache has keys, Keep succeeds with them.
func WithFailFast() Option { return func(c *config) { c.failFast = true } }

// WithoutRollback makes the ring refuse a set, with [ErrRollback], if its current key is
// older than the ring's: if its content was current before, or, for a source that names its
// keys, if its CreatedAt is earlier. A replayed document then changes nothing, also if the
// ring's own key has expired. The ring remembers digests of the last 1,024 keys that were
// current, with [WithCache] also after a restart; without a cache a restart forgets them. By
// default the ring follows a rollback at the source and emits RolledBack.
func WithoutRollback() Option { return func(c *config) { c.noRollback = true } }

// WithLockout is for servers that lock a client out after repeated bad keys: while every key
// is refused, one request is sent in each hold-off, which is 20 s doubling to 1 min, and the
// others fail with [ErrRefused]. Requests that come while the source is asked for another
// key wait for it first: see [WithRefusalWait]. It is off by default.
func WithLockout() Option { return func(c *config) { c.lockout = true } }

// Lockout is [WithLockout] for an existing ring, from now on. A transport calls it if its
// API locks clients out. It is safe for concurrent use.
func (r *Ring) Lockout() {
	if r == nil || r.cancel == nil {
		return
	}
	r.enter()
	defer r.leave()
	r.policy.lockout = true
}

// WithPrepare is [Ring.Prepare] before the first set is read: a key that its scheme cannot
// use never becomes current, not even at the start. The first such option has slot 0, the
// next 1. An error of prepare must not contain the secret.
func WithPrepare(prepare func(source.Key) (any, error)) Option {
	return func(c *config) {
		c.prepare = append(c.prepare, scheme{prepare, true, uint64(len(c.prepare) + 1)})
	}
}

// WithParams sets what a source string says about its ring, overlap, poll and max_stale: see
// [source.Parse].
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

// WithCache saves the last good keys, previous ones included, in cache. A restart within an
// overlap then has the previous key, and a restart while the source is down succeeds: Keep
// waits 2 s for the source and goes on with the cached keys. Rings must not share a cache.
// The ring ignores what was saved for another source: one with another String, or another
// Identity, if it is a [source.Identifier]. oauth2 sources need the latter, since they all
// have the same String. The default is no cache.
func WithCache(cache Cache) Option { return func(c *config) { c.cache = cache } }

// WithLogger sets the logger for the ring's events, at a level for each kind. The default is
// slog.Default(); nil logs nothing.
func WithLogger(l *slog.Logger) Option { return func(c *config) { c.logger = l } }

// WithObserver calls f for every event, as [Ring.Subscribe] does, from the first one on.
func WithObserver(f func(Event)) Option {
	return func(c *config) {
		if f != nil {
			c.observers = append(c.observers, f)
		}
	}
}
