package nats

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/await"
)

// errBehind means that the replica does not have the revision that a watch has seen.
var errBehind = fmt.Errorf("%w: the replica that answered is behind the others", source.ErrUnavailable)

// hear remembers an entry that a watch has seen. It must remember a marker: a bucket with a
// history of 1 loses it at the next put (F70).
func (s *Source) hear(entry jetstream.KeyValueEntry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if entry.Revision() < s.heard {
		if !entry.Created().After(s.heardAt) {
			return // a new watch repeats an older entry
		}
		s.beginAnew()
	}
	s.heard, s.heardAt = entry.Revision(), entry.Created()
	if entry.Operation() != jetstream.KeyValuePut {
		s.marker, s.revokes = entry.Revision(), true
		s.revision = 0 // the next reading must list the history again, with the marker
	}
}

// beginAnew resets the revisions for a bucket that was deleted and created again, and counts
// from 1. A marker that no set has followed yet is before all of its entries. The caller has
// locked mu.
func (s *Source) beginAnew() { s.heard, s.marker = 0, 0 }

// newest returns the key's newest entry, which is not older than the newest that a watch has
// seen. Any replica may answer, and one that is behind may miss a change, or return a value
// that a marker has revoked (F70). newest then asks again for a second, and fails after that.
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
