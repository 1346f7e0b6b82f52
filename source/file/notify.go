package file

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
)

// rearm is how often the watches are set anew without any event, since some
// changes give none: a mount on top, an ancestor renamed (F03). Tests change it.
var rearm = 5 * time.Second

// Notify watches the file and calls changed when it may have changed, as
// [source.Notifier] has it. All sources of a process share one watcher, which
// ends with the last of them. The error wraps source.ErrUnavailable: there is
// no watcher to be had, or no room for another watch (F12).
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
			changed() // F14: only now that the watches are armed
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

// arm watches what the paths depend on now, and reports whether that is
// something else than before.
func (s *Source) arm(sub *subscriber) (moved bool, err error) {
	targets := s.targets()
	// Again until the way is the same after the watches were set as before, so
	// that no switch falls in between; what changes after that gives an event.
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
	sub.wake() // a link that is switched all the time
	return true, nil
}

func (s *Source) targets() []target {
	var targets []target
	for _, f := range s.fields {
		targets = chain(targets, f.path)
	}
	return targets
}
