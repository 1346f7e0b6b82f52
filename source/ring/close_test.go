package ring_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// F105, F106: Close is idempotent, concurrent, bounded when the source hangs.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v1")}
		r, _ := keep(t, s)
		s.mu.Lock()
		s.hang = make(chan struct{})
		s.mu.Unlock()
		out := attempt(t, r, "v1")
		go r.Refresh(context.Background())
		synctest.Wait()
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() { r.Close() })
		}
		wg.Wait()
		out.Accepted()
		if err := r.Refresh(t.Context()); !errors.Is(err, ring.ErrClosed) {
			t.Errorf("error %v", err)
		}
		if a, err := r.Attempt(t.Context(), true); !errors.Is(err, ring.ErrClosed) {
			t.Errorf("%v, error %v", a, err)
		}
	})
}

// A source that ignores its context holds Close up for 5 s, and what it comes
// back with after that changes nothing.
//
// F106
func TestCloseIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &held{store{set: listed("v1")}}
		r, ev := keep(t, s)
		s.put(listed("v2"), nil)
		release := s.hold()
		go r.Refresh(context.Background())
		synctest.Wait()
		start := time.Now()
		r.Close()
		if d := time.Since(start); d != 5*time.Second {
			t.Errorf("Close took %v", d)
		}
		release()
		synctest.Wait()
		if _, err := r.Attempt(t.Context(), true); !errors.Is(err, ring.ErrClosed) {
			t.Errorf("error %v", err)
		}
		if err := r.Refresh(t.Context()); !errors.Is(err, ring.ErrClosed) {
			t.Errorf("Refresh: %v", err)
		}
		wantKinds(t, ev, "switched v1")
	})
}

// A source that takes its time, and heeds its context, does not hold up Close.
//
// F106
func TestCloseEndsAReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v1")}
		r, _ := keep(t, s)
		s.hold()
		failed := make(chan error, 1)
		go func() { failed <- r.Refresh(context.Background()) }()
		synctest.Wait()
		start := time.Now()
		r.Close()
		if d := time.Since(start); d != 0 {
			t.Errorf("Close took %v", d)
		}
		if err := <-failed; !errors.Is(err, ring.ErrClosed) {
			t.Errorf("Refresh: %v", err)
		}
	})
}

// F78: Refresh honours its own context, whatever the source does.
func TestRefreshHonoursContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v1")}
		r, _ := keep(t, s)
		hang := make(chan struct{})
		s.mu.Lock()
		s.hang = hang
		s.mu.Unlock()
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		start := time.Now()
		if err := r.Refresh(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		if d := time.Since(start); d != 500*time.Millisecond {
			t.Errorf("returned after %v", d)
		}
		close(hang)
	})
}

// A check that takes its time holds up nothing but the reading that it belongs to.
func TestSlowCheckBlocksNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		s := &store{set: listed("v1")}
		r, _ := keep(t, s, ring.WithPrepare(func(k source.Key) (any, error) {
			if k.Version == "v2" {
				<-release
			}
			return nil, nil
		}))
		s.put(listed("v2", "v1"), nil)
		go r.Refresh(t.Context())
		synctest.Wait()
		if r.Status().InUse != "v1" {
			t.Error("v1 is not in use")
		}
		closed := make(chan struct{})
		go func() { r.Close(); close(closed) }()
		<-closed // in fake time: a deadlock ends the test
		close(release)
	})
}

// A source that hangs is given up after the read timeout, 30 s by default, and asked
// again.
//
// F75, F78
func TestReadingTimesOut(t *testing.T) {
	for want, opts := range map[time.Duration][]ring.Option{
		30 * time.Second: nil,
		5 * time.Second:  {ring.WithReadTimeout(5 * time.Second)},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &store{set: listed("v1")}
			r, _ := keep(t, s, append(opts, ring.WithPoll(time.Hour))...)
			s.hold()
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			start := time.Now()
			if err := r.Refresh(ctx); !errors.Is(err, source.ErrUnavailable) || time.Since(start) != want {
				t.Fatalf("%v after %v, want %v", err, time.Since(start), want)
			}
			s.mu.Lock()
			s.hang, s.set = nil, listed("v2")
			s.mu.Unlock()
			refresh(t, r)
			accepted(t, r, "v2")
		})
	}
}
