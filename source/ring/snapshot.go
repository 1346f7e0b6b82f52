package ring

import (
	"fmt"
	"time"
)

// snapshot is what a request needs to know. It is immutable, and read through one atomic
// pointer.
type snapshot struct {
	use     *version // the version that requests get
	current *version
	settled *version // see policy.settled
	err     error    // why requests get no version, or nil
	moment  moment

	lockout bool // WithLockout
	refused bool // every version is held
	locked  bool // only a probe may be sent
	probe   bool // a request may probe at due
	due     time.Time
}

// undecided reports whether the policy must decide which version a request gets. Otherwise
// it gets use.
func (s *snapshot) undecided(repeatable bool, now func() time.Time) bool {
	switch {
	case s.locked, s.refused && !repeatable:
		return true
	case s.probe && repeatable:
		return !now().Before(s.due)
	}
	return false
}

// snapshot returns what the policy, the roster and the health say now. The caller holds mu.
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
