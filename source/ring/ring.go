package ring

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/named"
	"github.com/rollingkeys/rollingkeys/source/internal/option"
)

// A Ring is a shell around values that decide: the policy which key a request gets
// (policy.go, ladder.go, verdict.go, trial.go, pause.go), the roster which keys there are
// (roster.go, admit.go, naming.go, digest.go, saved.go), the health when the source is read
// (health.go), and degraded and the ledger what an operator is told (degraded.go,
// ledger.go). They have no lock, goroutine, channel or clock: TestPureFiles. The shell has
// these invariants:
//
//  1. The policy is called with mu held and after advance, so that the roles are those of
//     this moment (F69). Enter does both.
//  2. What the policy and the roster decided is published before mu is released. Leave
//     does that, and recompute for the roster. Events go out after it, with unlock.
//  3. Attempt.left is the moment of the snapshot that the attempt began with. If the policy
//     chose the version, it is the policy's moment.
//  4. Only the policy writes a version's standing, and only the roster its role.
//  5. A request waits for the source in await or in awaitReading only, without mu. A change
//     that does not help the request does not end its wait.
//  6. Functions of others, such as a source's, a scheme's or an observer's, are called
//     without mu. The exceptions are the matches of Caller, a source's Identity, and
//     schemes in release.

// A Ring has the live keys of one source: the current one and the previous ones that may
// still be used. It always has the last good keys, perhaps slightly stale. It is safe for
// concurrent use. Requests that are not refused take no lock.
type Ring struct {
	name string
	cfg  config

	snap   atomic.Pointer[snapshot]
	reader reader

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup

	signals signals
	watched atomic.Bool // the source has notified since Notify ended last

	mu      sync.Mutex // guards what follows
	roster  roster
	policy  policy
	health  health
	outbox  outbox
	schemes schemes
	callers callers
	ledger  ledger
	asking  *asking       // nil if the source is not being asked
	moved   chan struct{} // closed when the snapshot changes; nil if nothing waits in Await
}

// signals wake the goroutines of a ring. Each channel holds one signal.
type signals struct {
	kicks chan struct{} // tells the loop to read the source again
	wake  chan struct{} // tells the loop to look at the clock again
	dirty chan struct{} // tells cacheLoop to save
}

// Keep reads src, and keeps its keys live in a ring until [Ring.Close].
//
// Keep returns when the first set is there, or with ctx's error. Give ctx a deadline:
// without one, Keep waits for ever for a key that does not come, such as that of a file whose
// path is wrong. While it waits, the ring logs a [Waiting] event every 30 s. ctx bounds this
// wait and nothing after it. If the source fails later, the ring goes on with the last good
// keys.
//
// Keep returns at once if the source's error is Permanent (see [source.Error]), such as that
// of an environment variable that is not set, and with [WithFailFast] after any error of the
// first reading. The error wraps [source.ErrNoKey] and the last reading's error.
func Keep(ctx context.Context, src source.Source, opts ...Option) (*Ring, error) {
	if src == nil {
		return nil, fmt.Errorf("ring: %w: the source is nil", source.ErrNoKey)
	}
	if ctx == nil {
		return nil, fmt.Errorf("ring: %w", errNoContext)
	}
	cfg := config{
		overlap: defaultOverlap, readTimeout: defaultReadTimeout, refusalWait: defaultRefusalWait,
		expiring: defaultExpiring, logger: slog.Default(), now: func() time.Time { return time.Now().UTC() },
	}
	option.Apply(&cfg, opts)
	r := &Ring{
		name: named.Of(src), cfg: cfg,
		signals: signals{make(chan struct{}, 1), make(chan struct{}, 1), make(chan struct{}, 1)},
		roster:  roster{overlap: cfg.overlap, expiring: cfg.expiring, maxAge: cfg.maxAge, noRollback: cfg.noRollback, digests: digests{salt: newSalt()}},
		policy:  policy{lockout: cfg.lockout},
		health:  health{poll: cfg.poll, staleAfter: cfg.staleAfter, maxStale: cfg.maxStale},
		schemes: schemes{list: cfg.prepare, last: uint64(len(cfg.prepare))},
		callers: newCallers(),
	}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.reader = reader{src: src, timeout: cfg.readTimeout, ctx: r.ctx, run: r.wg.Go, handle: r.handleReading, calls: make(chan struct{}, maxHung)}
	r.snap.Store(&snapshot{err: r.fail(source.ErrNoKey)})
	r.outbox = newOutbox(r.name, &cfg)
	if err := r.start(ctx); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// Open is [source.Parse] and [Keep] in one: it keeps the source that s names, such as
// "file:///run/secrets/api-key?overlap=1h". An option overrides what s says.
func Open(ctx context.Context, s string, opts ...Option) (*Ring, error) {
	src, params, err := source.Parse(s)
	if err != nil {
		return nil, err
	}
	return Keep(ctx, src, append([]Option{WithParams(params)}, opts...)...)
}

// fail wraps err as an error of this source, if it is not one already.
func (r *Ring) fail(err error) error {
	if e := (*source.Error)(nil); errors.As(err, &e) {
		return err
	}
	return &source.Error{Source: r.name, Err: err}
}

// Close ends the ring: its goroutines, timers and the source's descriptors. Requests in
// flight finish; new ones fail with [ErrClosed]. Close waits for a reading of the source,
// but 5 s at most. Closing again does nothing. Close may be called from an observer, and
// its error is always nil.
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
	case <-t.C: // the source ignores its context, and keeps its goroutine
	}
	return nil
}
