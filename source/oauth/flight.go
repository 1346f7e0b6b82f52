package oauth

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/oauth2"

	"github.com/rollingkeys/rollingkeys/source"
)

// A flight is one fetch, for which any number of readings wait.
type flight struct {
	cancel    context.CancelFunc
	waiting   int  // the number of readings; Source.mu guards this and the next field
	abandoned bool // it was cancelled because no reading waited any more
	done      chan struct{}
	token     *oauth2.Token // set, as err, before done is closed
	err       error
}

// share waits for the fetch that is going on, or begins one.
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
		// F86: the fetch does not use the context of the first reading, which may end while
		// others still wait.
		ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
		s.flight = &flight{cancel: cancel, done: make(chan struct{})}
		go s.fetchFor(ctx, s.flight)
	}
	s.flight.waiting++
	return s.flight
}

// leave cancels the fetch if no other reading waits for it (F104). The fetch stays s.flight
// until it has returned: if a token source hangs, it blocks one goroutine, not one for each
// reading.
func (s *Source) leave(f *flight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.waiting--; f.waiting == 0 {
		f.abandoned = true
		f.cancel()
	}
}

// spoiled reports whether f failed because all earlier readings had left.
func (s *Source) spoiled(f *flight) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return f.abandoned && f.err != nil
}

// fetchFor fetches the token for the readings that wait for f.
func (s *Source) fetchFor(ctx context.Context, f *flight) {
	defer f.cancel()
	err := errors.New("the token source panicked") // replaced if fetch returns
	var token *oauth2.Token
	defer func() {
		// F97: a panic of the token source must not end the process. The value may contain a
		// secret, so it is dropped.
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
