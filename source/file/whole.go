package file

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/await"
	"github.com/rollingkeys/rollingkeys/source/internal/decode"
)

const (
	settle     = 20 * time.Millisecond  // between the two readings that must be equal if there is no lease
	firstPause = 100 * time.Microsecond // before the first check whether a writer has closed the file
	lastPause  = 5 * time.Millisecond   // the longest pause between two such checks
	patience   = time.Second            // how long to wait for a writer, or for the second field of a pair
)

func (s *Source) read(ctx context.Context) (source.Set, error) {
	r, err := s.whole(ctx)
	if err != nil {
		return source.Set{}, s.wrap(err)
	}
	warnings := r.tooOpen(s.strict)
	if s.strict && len(warnings) > 0 {
		return source.Set{}, s.wrap(fmt.Errorf("%w: %w", source.ErrInvalid, errors.Join(warnings...)))
	}
	if !r.sameContent(s.last) {
		set, err := s.decodeAll(r)
		if err != nil {
			return source.Set{}, s.wrap(err)
		}
		s.set = set
	}
	s.last, s.seen = r, newHistory(r)
	set := decode.Clone(s.set)
	for _, w := range warnings {
		set.Warnings = append(set.Warnings[:len(set.Warnings):len(set.Warnings)], s.wrap(w))
	}
	return set, nil
}

// whole returns a reading of files that no process was writing.
func (s *Source) whole(ctx context.Context) (reading, error) {
	r, _, err := s.take(false)
	if err != nil || r.sameContent(s.last) {
		return r, err
	}
	pause := firstPause
	for deadline := time.Now().Add(s.patience); ; {
		r, w, err := s.take(true)
		if err != nil {
			return nil, err
		}
		late := !time.Now().Before(deadline)
		switch {
		case w == writersSome: // F04, F05
			if late {
				return nil, fmt.Errorf("%w: another process has the file open for writing", source.ErrUnavailable)
			}
			if err := sleep(ctx, pause); err != nil {
				return nil, err
			}
			pause = min(pause*3/2, lastPause)
			continue
		case s.seen.half(r, s.last) && !late: // F26: the other fields are perhaps about to be replaced
			if err := sleep(ctx, settle); err != nil {
				return nil, err
			}
			continue
		case w == writersUnknown && !r.switched(s.last):
			if err := sleep(ctx, settle); err != nil {
				return nil, err
			}
		case len(r) == 1:
			return r, nil
		}
		again, _, err := s.take(false)
		if err != nil {
			return nil, err
		}
		if again.sameContent(r) {
			return again, nil
		}
		if late {
			return nil, fmt.Errorf("%w: its content changes all the time", source.ErrUnavailable)
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	if err := await.Sleep(ctx, d); err != nil {
		return fmt.Errorf("%w: %w", source.ErrUnavailable, err)
	}
	return nil
}
