package provider_test

import (
	"context"
	"sync"

	"github.com/rollingkeys/rollingkeys/source"
)

// shelf is a source that lists the keys that the test sets, newest first, and notifies.
type shelf struct {
	mu   sync.Mutex
	keys []source.Key
	kick chan struct{}
}

func newShelf(keys ...source.Key) *shelf { return &shelf{keys: keys, kick: make(chan struct{}, 1)} }

func (s *shelf) put(keys ...source.Key) {
	s.mu.Lock()
	s.keys = keys
	s.mu.Unlock()
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

func (s *shelf) Read(context.Context) (source.Set, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return source.Set{Keys: s.keys, Complete: true}, nil
}

func (s *shelf) Notify(ctx context.Context, changed func()) error {
	changed()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.kick:
			changed()
		}
	}
}

func (s *shelf) String() string { return "shelf" }
