package ring

import (
	"fmt"
	"time"
)

// snapshot is what a request needs to know, immutable, behind one pointer.
type snapshot struct {
	use     *version // nil if err is set
	current *version
	settled *version // whose acceptance says nothing new
	err     error
	moment  moment

	lockout bool      // bad keys lock out
	refused bool      // every version is held
	locked  bool      // and only the probe may be sent
	probe   bool      // a request may probe, when it is due
	due     time.Time // then
}

// undecided reports whether it takes the policy to say what a request goes out with:
// else it is use.
func (s *snapshot) undecided(repeatable bool, now func() time.Time) bool {
	switch {
	case s.locked, s.refused && !repeatable:
		return true
	case s.probe && repeatable:
		return !now().Before(s.due)
	}
	return false
}

// snapshot says what the policy and the roster have come to. The caller holds mu.
func (r *Ring) snapshot() snapshot {
	p := &r.policy
	s := snapshot{
		use: p.use, current: p.current(), settled: p.settled(), moment: p.moment,
		lockout: p.lockout, refused: p.allHeld(), locked: p.locked(),
	}
	s.due, s.probe = p.due()
	switch {
	case s.current == nil:
		s.err = r.fail(r.roster.noneLeft())
	case r.health.maxStale > 0:
		if now := r.cfg.now(); r.health.outdated(now) {
			s.err = r.fail(fmt.Errorf("%w: last read %v ago", ErrStale, r.health.age(now).Round(time.Second)))
		}
	}
	return s
}
