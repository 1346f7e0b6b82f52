package file

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
)

// rearm is how often the watches are set again without an event. Some changes cause none: a
// mount over the path, or a rename of a parent directory (F03). Tests change it.
var rearm = 5 * time.Second

// Notify watches the file and calls changed when the file may have changed: see
// [source.Notifier]. All sources of a process share one watcher, which is closed when the
// last Notify returns. The error wraps [source.ErrUnavailable] if the system allows no
// further watcher or no further watch.
func (s *Source) Notify(ctx context.Context, changed func()) error {
	sub, err := subscribe()
	if err != nil {
		return s.wrap(fmt.Errorf("%w: cannot watch: %w", source.ErrUnavailable, err))
	}
	defer sub.close()
	tick := time.NewTicker(rearm)
	defer tick.Stop()
	for ticked := false; ; {
		moved, err := s.arm(sub)
		if err != nil {
			return s.wrap(fmt.Errorf("%w: cannot watch: %w", source.ErrUnavailable, err))
		}
		if moved || !ticked {
			changed() // F14: not before the watches are set
		}
		select {
		case <-sub.kick:
			ticked = false
		case <-tick.C:
			ticked = true
		case <-ctx.Done():
			return nil
		}
		if ctx.Err() != nil {
			return nil
		}
	}
}

// arm watches the targets of the source's paths, and reports whether they differ from the
// targets before.
func (s *Source) arm(sub *subscriber) (moved bool, err error) {
	targets := s.targets()
	// Repeat until the targets are the same before and after the watches were set. Then no
	// link was switched in between, and a later switch causes an event.
	for range 8 {
		m, err := sub.watch(targets)
		if err != nil {
			return false, err
		}
		moved = moved || m
		before := targets
		if targets = s.targets(); slices.Equal(before, targets) {
			return moved, nil
		}
	}
	sub.wake() // a link is switched all the time: try again
	return true, nil
}

func (s *Source) targets() []target {
	var targets []target
	for _, f := range s.fields {
		targets = chain(targets, f.path)
	}
	return targets
}
