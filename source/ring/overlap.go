package ring

import (
	"slices"
	"time"
)

// covered reports whether the server accepts a newer key than v: the current one, or one
// that became current after v, was accepted and was not refused since. Without one, v may be
// the only key that the server accepts: its overlap neither begins nor ends (F129).
func (o *roster) covered(v *version) bool {
	i := slices.Index(o.list, v)
	return slices.ContainsFunc(o.list[:max(i, 0)], func(w *version) bool {
		return w.proved != 0 && slices.Contains(o.live, w) && (w == o.current() || v.rank > 0 && w.rank > v.rank)
	})
}

// begins reports whether the overlap of v, which is behind the current version, begins now.
func (o *roster) begins(v *version) bool {
	return !v.listed && !v.replaced() && (o.overlap <= 0 || o.covered(v))
}

// began returns when the overlap of v began, now that a newer key is accepted: at once or,
// if the ring knows v only from a history, when that says that v was replaced.
func (o *roster) began(v *version, now time.Time) time.Time {
	if at := v.key.Load().ReplacedAt; !at.IsZero() && at.Before(now) && v.rank == 0 && v.neverAccepted() {
		return at
	}
	return now
}

// ends reports whether the overlap of v ends now.
func (o *roster) ends(v *version, now time.Time) bool {
	return v.overlapOver(now, o.overlap) && (o.overlap <= 0 || o.covered(v))
}

// overdue returns the version that is kept the longest past the time at which its overlap
// would have ended, and that time; nil if there is none. next is when there may be another.
func (o *roster) overdue(now time.Time) (kept *version, ended, next time.Time) {
	for _, v := range o.list {
		if v.role != RolePrevious || v.listed || o.overlap <= 0 {
			continue
		}
		began := v.behind()
		if v.replaced() {
			began = v.replacedAt
		}
		end := began.Add(o.overlap)
		if next = earlier(next, end, now); elapsed(began, now) >= o.overlap && (kept == nil || !end.After(ended)) {
			kept, ended = v, end
		}
	}
	return kept, ended, next
}

// replaced reports whether the version's overlap has begun.
func (v *version) replaced() bool { return !v.replacedAt.IsZero() }

// behind returns since when only an overlap keeps v: it is a previous version, and the source
// does not list it.
func (v *version) behind() time.Time {
	if v.unlisted.After(v.since) {
		return v.unlisted
	}
	return v.since
}

// overlapOver reports whether the version's overlap is over, by the monotonic
// clock or by the wall clock, whichever is first (F72).
func (v *version) overlapOver(now time.Time, overlap time.Duration) bool {
	return v.replaced() && elapsed(v.replacedAt, now) >= overlap
}

// elapsed returns the time from one moment to another, by the monotonic clock or by the
// wall clock, whichever says more: the monotonic clock may stand still while a machine
// sleeps (F72).
func elapsed(from, to time.Time) time.Duration {
	return max(to.Sub(from), to.Round(0).Sub(from.Round(0)))
}
