package ring_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// A Read that ignores its context and hangs is reported, and the source is read again: with
// the key that it has then, or until three calls hang, until one of them returns.
//
// F180
func TestReadHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &held{store{set: listed("v1")}}
		r, ev := keep(t, s, ring.WithReadTimeout(10*time.Second), ring.WithPoll(time.Minute))
		release := s.hold() // what it returns then is v1
		start := time.Now()
		if err := r.Refresh(t.Context()); !errors.Is(err, source.ErrUnavailable) || time.Since(start) != 15*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		accepted(t, r, "v1")
		if st := r.Status(); st.LastError == "" || st.FailedReads != 1 {
			t.Errorf("%+v", st)
		}
		synctest.Wait()
		if n := ev.count(ring.RefreshFailed); n != 1 {
			t.Errorf("%d events", n)
		}

		s.mu.Lock()
		hang := s.hang
		s.hang, s.set = nil, listed("v2")
		s.mu.Unlock()
		refresh(t, r)
		s.mu.Lock()
		s.hang = hang
		s.mu.Unlock()
		release() // now that reading returns, too late
		synctest.Wait()
		accepted(t, r, "v2")
		if st := r.Status(); st.LastError != "" {
			t.Errorf("last error %q", st.LastError)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s := &held{store{set: listed("v1")}}
		r, _ := keep(t, s, ring.WithReadTimeout(10*time.Second), ring.WithPoll(time.Minute))
		begin := s.count()
		release := s.hold()
		time.Sleep(time.Hour)
		if n := s.count() - begin; n != 3 {
			t.Errorf("%d calls hang, want 3", n)
		}
		if err := r.Refresh(t.Context()); !errors.Is(err, source.ErrUnavailable) || r.Status().LastError == "" || !r.Status().Stale {
			t.Errorf("%v, %+v", err, r.Status())
		}
		s.put(listed("v2"), nil)
		release()
		synctest.Wait()
		refresh(t, r)
		accepted(t, r, "v2")
		before := s.count()
		time.Sleep(time.Hour)
		if n := s.count() - before; n < 50 {
			t.Errorf("%d readings in an hour", n)
		}
	})
}
