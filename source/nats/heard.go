package nats

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/await"
)

// errBehind: what was heard of is not there yet.
var errBehind = fmt.Errorf("%w: the replica that was asked is behind", source.ErrUnavailable)

// hear notes what a watch tells. A marker has to be remembered: a bucket with a
// history of 1 has lost it at the next put (F70).
func (s *Source) hear(entry jetstream.KeyValueEntry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if entry.Revision() < s.heard {
		if !entry.Created().After(s.heardAt) {
			return // a watch that was armed anew tells of it once more
		}
		s.beginAnew()
	}
	s.heard, s.heardAt = entry.Revision(), entry.Created()
	if entry.Operation() != jetstream.KeyValuePut {
		s.marker, s.revokes = entry.Revision(), true
		s.revision = 0 // if that was read before the marker was heard of, it is listed anew
	}
}

// beginAnew is for a bucket that was made anew, and counts from 1. A marker that no
// set has followed yet stands before all that is in there. The caller holds mu.
func (s *Source) beginAnew() { s.heard, s.marker = 0, 0 }

// newest returns the key's newest entry, at least that which was heard of. Any
// replica may answer, and one that is behind would make us miss a notice, or bring
// back what a marker revoked (F70): it is asked again for a second, and is an error
// then.
func (s *Source) newest(ctx context.Context, kv jetstream.KeyValue) (jetstream.KeyValueEntry, error) {
	s.mu.Lock()
	heard, heardAt := s.heard, s.heardAt
	s.mu.Unlock()
	for wait := 10 * time.Millisecond; ; wait *= 2 {
		entry, err := kv.Get(ctx, s.key)
		switch {
		case err != nil || entry.Revision() >= heard:
			return entry, err
		case entry.Created().After(heardAt):
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.heard == heard {
				s.beginAnew()
			}
			return entry, nil
		case wait > time.Second:
			return nil, errBehind
		}
		if err := await.Sleep(ctx, wait); err != nil {
			return nil, err
		}
	}
}
