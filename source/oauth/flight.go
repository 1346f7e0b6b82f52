package oauth

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/oauth2"

	"github.com/rollingkeys/rollingkeys/source"
)

// flight is one fetch and those who wait for it.
type flight struct {
	cancel    context.CancelFunc
	waiting   int  // under Source.mu, as is abandoned
	abandoned bool // nobody waited any more, and it was cancelled
	done      chan struct{}
	token     *oauth2.Token // these two once done is closed
	err       error
}

// share joins the fetch that is under way, or begins one.
func (s *Source) share(ctx context.Context) (*oauth2.Token, error) {
	for {
		f := s.join()
		select {
		case <-f.done:
			if s.spoiled(f) && ctx.Err() == nil {
				continue
			}
			return f.token, f.err
		case <-ctx.Done():
			s.leave(f)
			return nil, s.fail(fmt.Errorf("%w: no token in time: %w", source.ErrUnavailable, ctx.Err()))
		}
	}
}

func (s *Source) join() *flight {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flight == nil {
		// F86: no caller's context; the first may leave, and others stay.
		ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
		s.flight = &flight{cancel: cancel, done: make(chan struct{})}
		go s.fly(ctx, s.flight)
	}
	s.flight.waiting++
	return s.flight
}

// leave ends the fetch when nobody waits for it (F104). It stays s.flight until
// it is over: a token source that hangs gets one goroutine, not one a reading.
func (s *Source) leave(f *flight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.waiting--; f.waiting == 0 {
		f.abandoned = true
		f.cancel()
	}
}

// spoiled reports whether f failed because everybody before had left.
func (s *Source) spoiled(f *flight) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return f.abandoned && f.err != nil
}

func (s *Source) fly(ctx context.Context, f *flight) {
	defer f.cancel()
	err := errors.New("it panicked") // unless it returns
	var token *oauth2.Token
	defer func() {
		// F97: its panic is no reason for ours. What it says may hold a secret.
		_ = recover()
		s.mu.Lock()
		defer s.mu.Unlock()
		f.token = token
		if err != nil {
			f.err = s.explain(ctx, err)
		}
		s.flight = nil
		close(f.done)
	}()
	token, err = s.fetch(ctx)
}
