package ring

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/await"
)

// cacheLoop saves the ring when its keys have changed, every five minutes, and at Close.
// The regular saves retry one that failed, and save the time of the last reading, for a
// restart while the source is down.
func (r *Ring) cacheLoop() {
	turn := make(chan struct{}, 1)
	again := time.NewTicker(cacheEvery)
	defer again.Stop()
	for {
		select {
		case <-r.signals.dirty:
		case <-again.C:
		case <-r.ctx.Done():
			r.save(turn)
			return
		}
		r.save(turn)
	}
}

const (
	cacheEvery  = 5 * time.Minute // the longest time between two saves
	loadTimeout = 10 * time.Second
	saveTimeout = 4 * time.Second
)

// within calls f, and waits for its end until ctx ends, and for limit at most, even if f
// ignores its context (F176). A panic of f is an error.
func within[T any](ctx context.Context, limit time.Duration, f func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	value, err := await.Call(ctx, func() (value T, err error) {
		err = guard(func() (err error) {
			value, err = f(ctx)
			return err
		})
		return value, err
	})
	if err != nil && err == ctx.Err() {
		err = fmt.Errorf("%w: the cache does not answer: %w", source.ErrUnavailable, err)
	}
	return value, err
}

// save saves the ring. turn holds one signal while a call of the cache's Save goes on: one
// that ignores its context may never end.
func (r *Ring) save(turn chan struct{}) {
	r.mu.Lock()
	data, err := r.encode()
	r.unlock()
	if err == nil {
		select {
		case turn <- struct{}{}:
			_, err = within(context.WithoutCancel(r.ctx), saveTimeout, func(ctx context.Context) (_ struct{}, err error) {
				defer func() { <-turn }()
				return struct{}{}, r.cfg.cache.Save(ctx, data)
			})
		default:
			err = fmt.Errorf("%w: the cache has not ended an earlier save", source.ErrUnavailable)
		}
	}
	r.mu.Lock()
	defer r.unlock()
	r.ledger.unsaved = err
	r.watch(r.cfg.now())
}

// encode encodes the ring for its cache. The caller holds mu.
func (r *Ring) encode() ([]byte, error) {
	s := r.roster.save(r.policy.good)
	s.Source, s.AsOf, s.Whole = r.name, r.health.lastRead.UTC(), r.identity(s.Salt)
	return json.Marshal(s)
}

// identity returns a digest of the source's Identity, nil if it has none. Sources of one
// kind that have the same name differ in it.
func (r *Ring) identity(salt []byte) []byte {
	s, ok := r.reader.src.(source.Identifier)
	if !ok {
		return nil
	}
	mac := hmac.New(sha256.New, salt)
	err := guard(func() error {
		_, err := io.WriteString(mac, s.Identity().Expose())
		return err
	})
	if err != nil {
		return newSalt() // random: it matches no other
	}
	return mac.Sum(nil)
}

// load restores the keys that the cache has for this source, and reports whether there is
// one to use.
func (r *Ring) load(ctx context.Context) bool {
	if r.cfg.cache == nil {
		return false
	}
	var s saved
	data, err := within(ctx, loadTimeout, r.cfg.cache.Load)
	if err == nil && (json.Unmarshal(data, &s) != nil || s.Format != 1) {
		err = fmt.Errorf("%w: not a cache of this format", source.ErrInvalid)
	}
	r.mu.Lock()
	defer r.unlock()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false
	case err != nil:
		r.outbox.warn(fmt.Errorf("the cached keys are of no use: %w", err))
		return false
	case s.Source != r.name || !bytes.Equal(s.Whole, r.identity(s.Salt)):
		r.outbox.warn(fmt.Errorf("the cache belongs to another source, %q: not used", s.Source))
		return false
	}
	now := r.cfg.now()
	list, good := r.roster.restore(&s, now)
	r.prepareNew(list)
	r.roster.list = list
	r.policy.restored(good)
	r.health.restored(s.AsOf)
	r.recompute(now)
	return r.snap.Load().err == nil
}
