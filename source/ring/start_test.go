package ring_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/file"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// Keep takes a key that appears later as soon as the source notifies, and not when a
// back-off is over.
//
// F135
func TestFirstKeyIsNotified(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &pushing{store{err: source.ErrNoKey, kick: make(chan struct{})}}
		const late = 100 * time.Second
		time.AfterFunc(late, func() {
			s.put(listed("v1"), nil)
			s.kick <- struct{}{}
		})
		start := time.Now()
		keep(t, s)
		if d := time.Since(start); d != late {
			t.Errorf("after %v, want %v", d, late)
		}
	})
	// A file that appears. The back-off makes the ring read after 1 s at the earliest; a
	// source that is asked for the first time by a timer would not be asked at all.
	path := filepath.Join(t.TempDir(), "later", "key")
	watched := &watching{Source: file.New(path), armed: make(chan struct{})}
	kept := make(chan *ring.Ring)
	go func() {
		r, err := ring.Keep(t.Context(), watched, ring.WithLogger(nil))
		if err != nil {
			t.Error(err)
		}
		kept <- r
	}()
	<-watched.armed
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("sentinel-1"), 0o600); err != nil {
		t.Fatal(err)
	}
	(<-kept).Close()
}

// watching says when the source's watch has begun.
type watching struct {
	*file.Source
	armed chan struct{}
}

func (w *watching) Notify(ctx context.Context, changed func()) error {
	first := true
	return w.Source.Notify(ctx, func() {
		if first {
			first = false
			close(w.armed)
		}
		changed()
	})
}

// A source that notifies all the time, and has no key, does not keep Keep busy.
//
// F135
func TestRestlessSourceWithoutAKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &restlessFromTheStart{store: store{err: source.ErrNoKey}}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if _, err := ring.Keep(ctx, s, ring.WithLogger(nil)); err == nil {
			t.Error("no error")
		}
		if n := s.count(); n > 10*75 {
			t.Errorf("%d readings in 10 s", n)
		}
	})
}

type restlessFromTheStart struct{ store }

func (s *restlessFromTheStart) Notify(ctx context.Context, changed func()) error {
	for ctx.Err() == nil {
		changed()
		time.Sleep(time.Millisecond)
	}
	return ctx.Err()
}
