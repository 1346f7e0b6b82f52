package conformance

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// F03
func polled(s *sourceTrial) {
	s.put(1)
	keys := s.keep(mute{s.Source}, ring.WithPoll(time.Second))
	s.put(2, 1)
	eventually(s, "the new key by polling", func() bool { return s.uses(keys, 2) })
}

// F01, F14
func pushed(s *sourceTrial) {
	n, ok := s.Source.(source.Notifier)
	if !ok {
		s.Fatal("the source is no source.Notifier: put Push into the harness's Skip with the reason")
	}
	s.put(1)
	armed := make(chan struct{})
	var once sync.Once
	keys := s.keep(afterChanged{n, func() { once.Do(func() { close(armed) }) }})
	<-armed
	for n := 2; n <= 5; n++ {
		s.put(n, n-1)
		eventually(s, "the new key by notice", func() bool { return s.uses(keys, n) })
	}
}

// afterChanged calls then after each call of changed.
type afterChanged struct {
	source.Notifier
	then func()
}

func (a afterChanged) Notify(ctx context.Context, changed func()) error {
	return a.Notifier.Notify(ctx, func() { changed(); a.then() })
}

// F14
func armed(s *sourceTrial) {
	n, ok := s.Source.(source.Notifier)
	if !ok {
		s.Fatal("the source is no source.Notifier: put Arm into the harness's Skip with the reason")
	}
	s.put(1)
	s.read(1)
	for range 2 { // Notify must work again after it has returned
		ctx, cancel := context.WithCancel(s.Context())
		var ended atomic.Bool
		called := make(chan struct{}, 1)
		done := make(chan error, 1)
		go func() {
			done <- n.Notify(ctx, func() {
				if ended.Load() {
					s.Error("Notify called changed after it had returned")
				}
				select {
				case called <- struct{}{}:
				default:
				}
			})
			ended.Store(true)
		}()
		select {
		case <-called:
		case err := <-done:
			cancel()
			s.Fatalf("Notify returned before its context ended: %v", err)
		case <-time.After(patience(s)):
			cancel()
			s.Fatal("Notify never called changed")
		}
		cancel()
		returns(s, "Notify after its context ended", func() {
			if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
				s.Errorf("Notify: error %v, want nil or the context's error", err)
			}
		})
	}
}

// F105, F106
func closed(s *sourceTrial) {
	s.put(1)
	reads := &counting{Source: s.Source}
	keys := s.keep(reads, ring.WithPoll(time.Second))
	returns(s, "Close, ten at a time", func() {
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() { keys.Close() })
		}
		wg.Wait()
	})
	if _, err := keys.InUse(); !errors.Is(err, ring.ErrClosed) {
		s.Errorf("InUse after Close: error %v, want ErrClosed", err)
	}
	before := reads.count()
	if err := s.refresh(keys); !errors.Is(err, ring.ErrClosed) {
		s.Errorf("Refresh after Close: error %v, want ErrClosed", err)
	}
	if n := reads.count(); n != before {
		s.Error("the ring read the source after Close")
	}
	s.read(1) // the source works without the ring
}

// F104
func leaks(s *sourceTrial) {
	s.put(1)
	s.once() // starts what the process keeps for good, so that it does not count as a leak
	before, countable := descriptors()
	noLeaks(s, func() {
		for range 10 {
			s.once()
		}
		s.Delete()
		if keys, err := ring.Keep(s.Context(), s.Source, ring.WithLogger(nil), ring.WithFailFast()); err == nil {
			keys.Close()
			s.Error("Keep returned a ring although the key is deleted")
		}
		s.close()
	})
	noLeaks(s, func() { // a second source must free all it has started by the end of its test
		r := judge(s, Case{}, func(t testing.TB) {
			second := newSourceTrial(t, s.h)
			second.put(1)
			second.once()
		})
		if r.Outcome == Failed {
			s.Errorf("a second source: %s", r.Detail)
		}
	})
	if !countable {
		return
	}
	after := before
	defer func() { s.Logf("%d descriptors before, %d after", before, after) }()
	eventually(s, "as few descriptors as before", func() bool {
		runtime.GC() // run finalizers that close descriptors
		after, _ = descriptors()
		return after <= before
	})
}

// once keeps the source in a ring and closes both.
func (s *sourceTrial) once() {
	s.Helper()
	keys, err := ring.Keep(s.Context(), s.Source, ring.WithLogger(nil))
	if err != nil {
		s.Fatalf("Keep: %v", err)
	}
	keys.Close()
	s.close()
}
