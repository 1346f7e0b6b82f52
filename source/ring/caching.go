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
)

// cacheLoop saves the ring when its keys have changed, every five minutes, and at Close.
// The regular saves retry one that failed, and save the time of the last reading, for a
// restart while the source is down.
func (r *Ring) cacheLoop() {
	again := time.NewTicker(cacheEvery)
	defer again.Stop()
	for {
		select {
		case <-r.signals.dirty:
		case <-again.C:
		case <-r.ctx.Done():
			r.save()
			return
		}
		r.save()
	}
}

// cacheEvery is the longest time between two saves.
const cacheEvery = 5 * time.Minute

func (r *Ring) save() {
	r.mu.Lock()
	data, err := r.encode()
	r.unlock()
	if err == nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), 4*time.Second)
		defer cancel()
		err = guard(func() error { return r.cfg.cache.Save(ctx, data) })
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
	err := guard(func() error {
		data, err := r.cfg.cache.Load(ctx)
		if err != nil {
			return err
		}
		if json.Unmarshal(data, &s) != nil || s.Format != 1 {
			return fmt.Errorf("%w: not a cache of this format", source.ErrInvalid)
		}
		return nil
	})
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
