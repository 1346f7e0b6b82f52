package source

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// A Ring keeps the live keys of one source: the current one and the previous
// ones that may still be used. It always has the last good keys, perhaps
// slightly stale. It is safe for concurrent use; reading it takes no lock.
type Ring struct {
	src  Source
	name string
	cfg  config

	snap atomic.Pointer[snapshot]

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup
	kicks  chan struct{} // "read again", from the source
	wake   chan struct{} // "look at the clock again", from ourselves
	dirty  chan struct{} // "the cache is behind"

	mu        sync.Mutex
	list      []*version // newest first: pending, current, previous
	retired   []retired  // newest first
	prepare   []func(Key) (any, error)
	epoch     uint64
	changed   chan struct{} // closed when a version joins
	observers []*observer
	warned    map[string]bool
	flight    *flight
	next      *flight // starts when flight ends
	reads     uint64
	failed    uint64
	failures  int // in a row
	lastRead  time.Time
	lastErr   error
	hint      time.Duration // the source's FreshFor
	cached    bool          // the keys come out of the cache
	stale     bool
	expiring  *version // that Expiring was reported for

	window     *window
	allRefused bool
	coolLevel  int
	coolUntil  time.Time
	waitedFor  *version // that a window was spent on in vain
}

// snapshot is what a request needs to know, immutable, behind one pointer.
type snapshot struct {
	use     *version // nil if err is set
	current *version
	err     error
	epoch   uint64
	probe   *probe // current is not in use, or everything is refused: it is due again at a time
	lockout bool   // everything is refused, and only the probe may be sent
}

// probe lets one request at a time through to a refused version.
type probe struct {
	at   time.Time
	busy atomic.Bool
}

// retired is what is left of a version that is out of use: no key.
type retired struct {
	label   string
	figures *figures
	status  VersionStatus
}

// Keep reads src, and keeps its keys live in a ring until [Ring.Close].
//
// It returns when the first set is there, or with ctx's error, or, with
// [WithFailFast], with the first reading's; ctx bounds the waiting and nothing
// after it. Later a source may fail as it likes: the ring goes on with the last
// good keys. An error wraps [ErrNoKey] and what went wrong last.
func Keep(ctx context.Context, src Source, opts ...Option) (*Ring, error) {
	if src == nil {
		return nil, fmt.Errorf("source: %w: the source is nil", ErrNoKey)
	}
	cfg := config{
		overlap: defaultOverlap, readTimeout: defaultReadTimeout, refusalWait: defaultRefusalWait,
		expiring: defaultExpiring, logger: slog.Default(), now: time.Now,
	}
	for _, opt := range opts {
		if opt != nil {
			opt(&cfg)
		}
	}
	r := &Ring{
		src: src, name: name(src), cfg: cfg,
		kicks: make(chan struct{}, 1), wake: make(chan struct{}, 1), dirty: make(chan struct{}, 1),
		changed: make(chan struct{}), warned: make(map[string]bool),
	}
	for _, check := range cfg.checks {
		r.prepare = append(r.prepare, func(key Key) (any, error) { return nil, check(key) })
	}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.snap.Store(&snapshot{err: r.fail(ErrNoKey)})
	if cfg.logger != nil {
		r.observers = append(r.observers, &observer{call: logEvent(cfg.logger)})
	}
	for _, f := range cfg.observers {
		r.observers = append(r.observers, &observer{call: f, log: r.cfg.logger})
	}
	if err := r.start(ctx); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// cacheGrace is how long a slow source is waited for where a cache has keys.
const cacheGrace = 2 * time.Second

func (r *Ring) start(ctx context.Context) error {
	cached := r.load(ctx)
	first := r.read()
	var grace <-chan time.Time
	if cached {
		t := time.NewTimer(cacheGrace)
		defer t.Stop()
		grace = t.C
	}
	for failures := 0; ; failures++ {
		var err error
		select {
		case <-first.done:
			err = first.err
		case <-grace:
			err = r.fail(ErrUnavailable)
		case <-ctx.Done():
			return r.noFirst(context.Cause(ctx), r.lastError())
		}
		if cached {
			err = nil
		}
		if err == nil {
			if err = r.snap.Load().err; err == nil {
				break // a set whose keys all lie in the future is no start
			}
		}
		if r.cfg.failFast {
			return r.noFirst(err, nil)
		}
		t := time.NewTimer(r.backoff(failures, err))
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return r.noFirst(context.Cause(ctx), err)
		}
		first = r.read()
	}
	r.wg.Go(r.loop)
	if r.cfg.cache != nil {
		r.wg.Go(r.keepCache)
	}
	if n, ok := r.src.(Notifier); ok {
		r.wg.Go(func() { r.notify(n) })
	}
	return nil
}

func (r *Ring) noFirst(err, last error) error {
	if errors.Is(err, ErrNoKey) {
		return err
	}
	if last != nil && last != err {
		err = fmt.Errorf("%w; the last reading: %w", err, last)
	}
	return r.fail(fmt.Errorf("%w yet: %w", ErrNoKey, err))
}

func (r *Ring) lastError() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lastErr
}

// fail wraps err as this source's, if it is not already.
func (r *Ring) fail(err error) error {
	if e := (*Error)(nil); errors.As(err, &e) {
		return err
	}
	return &Error{Source: r.name, Err: err}
}

// Close ends the ring: its goroutines, timers and the source's descriptors.
// Requests that are out finish; new ones fail with [ErrClosed]. It waits for a
// source that is being read, but no longer than 5 s. Closing again does nothing.
// It may be called from an observer.
func (r *Ring) Close() error {
	if r == nil || r.cancel == nil {
		return nil
	}
	r.mu.Lock()
	r.cancel()
	r.snap.Store(&snapshot{err: r.fail(ErrClosed)})
	for _, o := range r.observers {
		o.stop()
	}
	r.mu.Unlock()

	done := make(chan struct{})
	go func() { r.wg.Wait(); close(done) }()
	t := time.NewTimer(5 * time.Second)
	defer t.Stop()
	select {
	case <-done:
	case <-t.C: // a source that ignores its context keeps its goroutine, not us
	}
	return nil
}

// Subscribe calls f for every event from now on, in order, one at a time, on no
// goroutine of the ring's: f may block, and may call any method of the ring. Of
// more than 1,024 events that wait for f the oldest are dropped. stop ends it.
func (r *Ring) Subscribe(f func(Event)) (stop func()) {
	o := &observer{call: f, log: r.cfg.logger}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.observers = append(r.observers, o)
	return func() {
		o.stop()
		r.mu.Lock()
		defer r.mu.Unlock()
		for i, other := range r.observers {
			if other == o {
				r.observers = append(r.observers[:i:i], r.observers[i+1:]...)
				return
			}
		}
	}
}

// emit reports an event. The caller holds mu, which is what keeps events in order.
func (r *Ring) emit(e Event) {
	e.Time, e.Source = r.cfg.now(), r.name
	for _, o := range r.observers {
		o.add(e)
	}
}

// loop polls, reads when the source says so, and moves versions on when their time comes.
func (r *Ring) loop() {
	// The first delay is uniform over the interval, so that a fleet that starts
	// together does not poll together (F77).
	poll := time.NewTimer(time.Duration(rand.Int64N(int64(r.interval()))))
	defer poll.Stop()
	turn := time.NewTimer(time.Hour)
	defer turn.Stop()
	var quiet throttle
	var reading *flight
	last := r.cfg.now()
	for {
		turn.Reset(r.turn())
		var done chan struct{}
		if reading != nil {
			done = reading.done
		}
		select {
		case <-r.ctx.Done():
			return
		case <-done:
			quiet.note(reading.news)
			reading = nil
			poll.Reset(r.pause())
		case <-poll.C:
			if reading == nil {
				reading = r.read()
			}
		case <-r.kicks:
			if !quiet.wait(r.ctx) {
				return
			}
			reading = r.readAfter()
		case <-turn.C:
		case <-r.wake:
		}
		// F111: a machine that slept, or whose clock was set, reads at once.
		now := r.cfg.now()
		if skew := now.Round(0).Sub(last.Round(0)) - now.Sub(last); reading == nil && skew.Abs() > 10*time.Second {
			reading = r.read()
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
func (r *Ring) notify(n Notifier) {
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
			r.warn(fmt.Errorf("no notification, polling only: %w", err))
			r.mu.Unlock()
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
	defer r.mu.Unlock()
	switch {
	case r.cfg.poll > 0:
		return r.cfg.poll
	case r.hint > 0:
		return min(max(r.hint, minPoll), maxPoll)
	default:
		return defaultPoll
	}
}

// pause is the time to the next poll after the last reading.
func (r *Ring) pause() time.Duration {
	r.mu.Lock()
	failures, err := r.failures, r.lastErr
	r.mu.Unlock()
	if failures > 0 {
		return r.backoff(failures-1, err)
	}
	return jitter(r.interval(), 0.1)
}

// backoff is the time before the next try after so many failures before the
// last: doubling from 1 s, never slower than polling or than a minute, half of
// it jitter; or what the source asks for, within bounds (F77).
func (r *Ring) backoff(failures int, err error) time.Duration {
	if e := (*Error)(nil); errors.As(err, &e) && e.RetryAfter > 0 {
		return jitter(min(max(e.RetryAfter, minBackoff), maxRetry), 0.1)
	}
	limit := min(max(r.interval(), minBackoff), maxBackoff)
	return jitter(min(minBackoff<<min(failures, 10), limit), 0.5)
}

func jitter(d time.Duration, by float64) time.Duration {
	return time.Duration(float64(d) * (1 - by + 2*by*rand.Float64()))
}

// guard calls f, which is not ours, and makes an error of a panic (F97).
func (r *Ring) guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: the source panicked", ErrUnavailable) // p may hold a secret
		}
	}()
	return f()
}
