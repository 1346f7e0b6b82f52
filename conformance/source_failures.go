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
		s.Error("Refresh has no error though the key is gone")
	}
	s.wantUse(keys, 1)
	s.put(2)
	s.readAny(2) // a source that knows of the deletion may say that there is no key besides
	if err := s.refresh(keys); err != nil {
		s.Errorf("Refresh once there is a key again: %v", err)
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
		s.Error("Refresh has no error though there is no key")
	}
	s.wantUse(keys, 1)
	s.put(2)
	if err := s.refresh(keys); err != nil {
		s.Errorf("Refresh once there is a key again: %v", err)
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
		s.Error("Refresh has no error though the backend is down")
	}
	s.wantUse(keys, 1)
	if status := keys.Status(); status.LastError == "" || status.FailedReads == 0 {
		s.Errorf("the status does not show the failure: %+v", status)
	}
	s.Repair()
	s.read(1)
	s.put(2)
	eventually(s, "the new key, without Refresh", func() bool { return s.uses(keys, 2) })
	eventually(s, "a status without the error", func() bool { return keys.Status().LastError == "" })
}

func denied(s *sourceTrial) {
	need(s, "Deny or Restore", s.Deny != nil && s.Restore != nil)
	s.put(1)
	keys := s.keep(s.Source)
	s.Deny()
	s.readError(source.ErrDenied)
	if s.refresh(keys) == nil {
		s.Error("Refresh has no error though we are refused")
	}
	s.wantUse(keys, 1)
	s.Restore()
	s.put(2)
	if err := s.refresh(keys); err != nil {
		s.Errorf("Refresh once we are let in again: %v", err)
	}
	s.wantUse(keys, 2)
}

// F05
func torn(s *sourceTrial) {
	need(s, "Tear", s.Tear != nil)
	s.put(1)
	keys := s.keep(s.Source)
	s.Tear(s.h.Key(2))
	for n := range 3 { // again and again, in which a source might come to believe it
		if n == 1 {
			_ = s.refresh(keys)
		} else if set, err := s.Source.Read(s.Context()); err == nil && !s.known(set.Keys[0], 2) {
			s.Fatal("read half a key")
		} else {
			s.hear(err)
		}
		if !s.uses(keys, 1) && !s.uses(keys, 2) {
			s.Fatal("the ring uses half a key")
		}
	}
	s.put(2)
	s.read(2)
	if err := s.refresh(keys); err != nil {
		s.Errorf("Refresh once the key is whole: %v", err)
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
				s.Errorf("Read with a context that has ended: %v, which does not wrap its error", err)
			}
		}
	})
	s.read(1) // nothing is left of it
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
			s.Errorf("the error %v does not wrap the context's", err)
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
		s.Fatal("the source has no String(), so that errors and logs cannot name it")
	}
	if named.String() == "" {
		s.Error("String() is empty")
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		noSecret(s, "the source printed with "+verb, fmt.Sprintf(verb, s.Source))
		noSecret(s, "a set printed with "+verb, fmt.Sprintf(verb, s.read(1)))
	}
}
