package source_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
)

// held is a source that takes what it answers before it is held up, and that
// does not care for its context.
type held struct{ store }

func (s *held) Read(context.Context) (source.Set, error) {
	s.mu.Lock()
	s.reads++
	set, err, hang := s.set, s.err, s.hang
	s.mu.Unlock()
	if hang != nil {
		<-hang
	}
	return set, err
}

// hold holds up the readings from now on, until release is called.
func (s *store) hold() (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	hang := make(chan struct{})
	s.hang = hang
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.hang = nil
		close(hang)
	}
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
		if _, err := r.Attempt(true); !errors.Is(err, source.ErrClosed) {
			t.Errorf("error %v", err)
		}
		if err := r.Refresh(t.Context()); !errors.Is(err, source.ErrClosed) {
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
		if err := <-failed; !errors.Is(err, source.ErrClosed) {
			t.Errorf("Refresh: %v", err)
		}
	})
}
