package ring

import (
	"context"
	"errors"
	"fmt"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/named"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rollingkeys/rollingkeys/source/internal/option"
)

// A Ring keeps the live keys of one source: the current one and the previous
// ones that may still be used. It always has the last good keys, perhaps
// slightly stale. It is safe for concurrent use; reading it takes no lock.
//
// Which key a request gets is decided by the policy, which is a value: policy.go,
// ladder.go, verdict.go, trial.go and pause.go. The ring is the shell around it, and
// keeps these invariants:
//
//  1. The policy is called with mu held, and after advance, so that what is live is
//     live at this moment (F69). Enter does both.
//  2. What the policy learnt is published before mu is let go. Leave does both.
//  3. Attempt.left is the moment of the snapshot that the attempt was begun with, or
//     the policy's, if the policy was asked.
//  4. Nobody but the policy writes a version's standing. It and the other pure parts
//     have no lock, goroutine, channel or clock: TestPureFiles.
//  5. A request waits for the source in await or in glance, without mu, and nowhere
//     else; news that are of no use to it do not end its waiting.
type Ring struct {
	name string
	cfg  config

	snap   atomic.Pointer[snapshot]
	reader reader

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup
	kicks  chan struct{} // "read again", from the source
	wake   chan struct{} // "look at the clock again", from ourselves
	dirty  chan struct{} // "the cache is behind"

	mu      sync.Mutex // guards what follows
	roster  roster
	policy  policy
	health  health
	outbox  outbox
	schemes schemes
	callers callers
	asking  *asking // nil: the source is not asked
	alarmed bool    // AllRefused was reported
}

// Keep reads src, and keeps its keys live in a ring until [Ring.Close].
//
// It returns when the first set is there, or with ctx's error, or, with
// [WithFailFast], with the first reading's; ctx bounds the waiting and nothing
// after it. Later a source may fail as it likes: the ring goes on with the last
// good keys. An error wraps [source.ErrNoKey] and what went wrong last.
func Keep(ctx context.Context, src source.Source, opts ...Option) (*Ring, error) {
	if src == nil {
		return nil, fmt.Errorf("ring: %w: the source is nil", source.ErrNoKey)
	}
	cfg := config{
		overlap: defaultOverlap, readTimeout: defaultReadTimeout, refusalWait: defaultRefusalWait,
		expiring: defaultExpiring, logger: slog.Default(), now: time.Now,
	}
	option.Apply(&cfg, opts)
	r := &Ring{
		name: named.Of(src), cfg: cfg,
		kicks: make(chan struct{}, 1), wake: make(chan struct{}, 1), dirty: make(chan struct{}, 1),
		roster:  roster{overlap: cfg.overlap, expiring: cfg.expiring, noRollback: cfg.noRollback, barred: barred{salt: newSalt()}},
		policy:  policy{lockout: cfg.lockout},
		health:  health{poll: cfg.poll, staleAfter: cfg.staleAfter, maxStale: cfg.maxStale},
		schemes: schemes{list: cfg.prepare, last: uint64(len(cfg.prepare))},
		callers: newCallers(),
	}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.reader = reader{src: src, timeout: cfg.readTimeout, ctx: r.ctx, run: r.wg.Go, took: r.took}
	r.snap.Store(&snapshot{err: r.fail(source.ErrNoKey)})
	r.outbox = newOutbox(r.name, &cfg)
	if err := r.start(ctx); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// Open keeps the source that s names, such as
// "file:///run/secrets/api-key?overlap=1h": see [source.Parse] and [Keep]. Options
// come after what the string says, and win.
func Open(ctx context.Context, s string, opts ...Option) (*Ring, error) {
	src, params, err := source.Parse(s)
	if err != nil {
		return nil, err
	}
	return Keep(ctx, src, append([]Option{WithParams(params)}, opts...)...)
}

// cacheGrace is how long a slow source is waited for where a cache has keys.
const cacheGrace = 2 * time.Second

func (r *Ring) start(ctx context.Context) error {
	cached := r.load(ctx)
	first := r.reader.read()
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
			err = r.fail(source.ErrUnavailable)
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
		first = r.reader.read()
	}
	r.wg.Go(r.loop)
	if r.cfg.cache != nil {
		r.wg.Go(r.keepCache)
	}
	if n, ok := r.reader.src.(source.Notifier); ok {
		r.wg.Go(func() { r.notify(n) })
	}
	return nil
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

// fail wraps err as this source's, if it is not already.
func (r *Ring) fail(err error) error {
	if e := (*source.Error)(nil); errors.As(err, &e) {
		return err
	}
	return &source.Error{Source: r.name, Err: err}
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
	r.reader.close(r.cancel)
	r.snap.Store(&snapshot{err: r.fail(ErrClosed)})
	r.outbox.close()
	r.unlock()

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
