package conformance

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// F07
func deleted(s *sourceTrial) {
	s.put(1)
	keys := s.keep(s.Source)
	s.Delete()
	s.readError(source.ErrNoKey, source.ErrUnavailable, source.ErrDenied)
	if s.refresh(keys) == nil {
		s.Error("Refresh returned no error although the key is deleted")
	}
	s.wantUse(keys, 1)
	s.put(2)
	s.readAny(2) // Complete is allowed: a source that knows of the deletion knows that there is no other key
	if err := s.refresh(keys); err != nil {
		s.Errorf("Refresh after a new key was put: %v", err)
	}
	s.wantUse(keys, 2)
}

// F04
func empty(s *sourceTrial) {
	s.put(1)
	keys := s.keep(s.Source)
	s.Put()
	s.readError(source.ErrNoKey, source.ErrInvalid)
	if s.refresh(keys) == nil {
		s.Error("Refresh returned no error although the backend is empty")
	}
	s.wantUse(keys, 1)
	s.put(2)
	if err := s.refresh(keys); err != nil {
		s.Errorf("Refresh after a new key was put: %v", err)
	}
	s.wantUse(keys, 2)
}

// F17, F75
func broken(s *sourceTrial) {
	need(s, "Break or Repair", s.Break != nil && s.Repair != nil)
	s.put(1)
	keys := s.keep(s.Source, ring.WithPoll(time.Second))
	s.Break()
	s.readError(source.ErrUnavailable, source.ErrDenied, source.ErrInvalid)
	if s.refresh(keys) == nil {
		s.Error("Refresh returned no error although the backend is unreadable")
	}
	s.wantUse(keys, 1)
	if status := keys.Status(); status.LastError == "" || status.FailedReads == 0 {
		s.Errorf("the status shows no failed reading, want LastError and FailedReads: %+v", status)
	}
	s.Repair()
	s.read(1)
	s.put(2)
	eventually(s, "the ring uses the new key without Refresh", func() bool { return s.uses(keys, 2) })
	eventually(s, "the status shows no error any more", func() bool { return keys.Status().LastError == "" })
}

func denied(s *sourceTrial) {
	need(s, "Deny or Restore", s.Deny != nil && s.Restore != nil)
	s.put(1)
	keys := s.keep(s.Source)
	s.Deny()
	s.readError(source.ErrDenied)
	if s.refresh(keys) == nil {
		s.Error("Refresh returned no error although access is denied")
	}
	s.wantUse(keys, 1)
	s.Restore()
	s.put(2)
	if err := s.refresh(keys); err != nil {
		s.Errorf("Refresh after access was restored: %v", err)
	}
	s.wantUse(keys, 2)
}

// F05
func torn(s *sourceTrial) {
	need(s, "Tear", s.Tear != nil)
	s.put(1)
	keys := s.keep(s.Source)
	s.Tear(s.h.Key(2))
	for n := range 3 { // repeatedly: a source might accept the same content at a later reading
		if n == 1 {
			_ = s.refresh(keys)
		} else if set, err := s.Source.Read(s.Context()); err == nil && !s.known(set.Keys[0], 2) {
			s.Fatal("Read returned a half-written key")
		} else {
			s.hear(err)
		}
		if !s.uses(keys, 1) && !s.uses(keys, 2) {
			s.Fatal("the ring uses a half-written key")
		}
	}
	s.put(2)
	s.read(2)
	if err := s.refresh(keys); err != nil {
		s.Errorf("Refresh after the key was written whole: %v", err)
	}
	s.wantUse(keys, 2)
}

// F78
func cancelled(s *sourceTrial) {
	s.put(1)
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	returns(s, "Read with a context that has ended", func() {
		if _, err := s.Source.Read(ctx); err != nil {
			s.hear(err)
			if !errors.Is(err, context.Canceled) {
				s.Errorf("Read with a context that has ended: error %v, want one that wraps context.Canceled", err)
			}
		}
	})
	s.read(1) // the failed reading has no effect on the next
}

// F78, F106
func hung(s *sourceTrial) {
	need(s, "Hang or Repair", s.Hang != nil && s.Repair != nil)
	s.put(1)
	keys := s.keep(s.Source)
	s.Hang()
	ctx, cancel := context.WithTimeout(s.Context(), 50*time.Millisecond)
	defer cancel()
	returns(s, "Read of a backend that does not answer", func() {
		_, err := s.Source.Read(ctx)
		s.wantError(err, source.ErrUnavailable)
		if !errors.Is(err, context.DeadlineExceeded) {
			s.Errorf("Read of a backend that does not answer: error %v, want one that wraps context.DeadlineExceeded", err)
		}
	})
	go func() { _ = keys.Refresh(s.Context()) }()
	returns(s, "Close while the backend does not answer", func() { keys.Close() })
	s.Repair()
	s.read(1)
}

// F93, F103
func secrecy(s *sourceTrial) {
	s.put(1)
	s.read(1)
	named, ok := s.Source.(fmt.Stringer)
	if !ok {
		s.Fatal("the source has no String method: errors and logs could not name it")
	}
	if named.String() == "" {
		s.Error("the source's String method returns an empty string")
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		noSecret(s, "the source printed with "+verb, fmt.Sprintf(verb, s.Source))
		noSecret(s, "a set printed with "+verb, fmt.Sprintf(verb, s.read(1)))
	}
}
