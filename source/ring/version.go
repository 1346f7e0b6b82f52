package ring

import (
	"sync/atomic"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
)

// version is one key of a ring, with all that the ring knows of it.
type version struct {
	key      atomic.Pointer[source.Key] // its Version is unique in the ring: what users see
	prepared atomic.Pointer[[]any]      // by slot; copied, never changed
	figures  *figures

	// Ring.mu guards what follows.
	standing
	usage
	given      string // the source's own name, if it has one
	role       Role
	since      time.Time // when it took its role
	wasCurrent bool
	listed     bool      // in the last set
	replacedAt time.Time // at a source that lists one key at a time: its overlap runs from here; zero: it was not
	revoked    bool
	unusable   error
	refusedBy  uint64    // the id of the scheme that cannot use it
	askAt      time.Time // for a successor, before it expires
}

// usage is when a version was used, by sampling its counters.
type usage struct {
	sampledSent, sampledAccepted uint64
	lastUsed, lastAccepted       time.Time
}

// sample notes the times of last use by the counters.
func (v *version) sample(now time.Time) {
	if n := v.figures.sent(); n != v.sampledSent {
		v.sampledSent, v.lastUsed = n, now
	}
	if n := v.figures.accepted(); n != v.sampledAccepted {
		v.sampledAccepted, v.lastAccepted = n, now
	}
}

// label is what users see.
func (v *version) label() string { return v.key.Load().Version }

// is judges by content alone: the same content under another name is the same
// key to the server, and the same name over other content another (F91).
func (v *version) is(key source.Key) bool { return v.key.Load().SameContent(key) }

// become gives v a role.
func (v *version) become(role Role, now time.Time) {
	if v.role != role {
		v.role, v.since = role, now
	}
}

// dated reports whether the version can be used at some times and not at others.
func (v *version) dated() bool {
	key := v.key.Load()
	return v.replaced() || !key.NotBefore.IsZero() || !key.ExpiresAt.IsZero()
}

// replaced reports whether the version's overlap is running.
func (v *version) replaced() bool { return !v.replacedAt.IsZero() }

func (v *version) expired(now time.Time) bool { return expired(v.key.Load(), now) }

func (v *version) pending(now time.Time) bool { return pending(v.key.Load(), now) }

// pending reports whether the key may not be used yet.
func pending(k *source.Key, now time.Time) bool { return now.Before(k.NotBefore) }

// expired reports whether the key may not be used any more.
func expired(k *source.Key, now time.Time) bool {
	return !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt)
}

// overlapOver reports whether the version's overlap is over, by the monotonic
// clock or by the wall clock, whichever is first (F72).
func (v *version) overlapOver(now time.Time, overlap time.Duration) bool {
	return v.replaced() && (now.Sub(v.replacedAt) >= overlap || now.Round(0).Sub(v.replacedAt.Round(0)) >= overlap)
}

// over reports whether the version's time is over.
func (v *version) over(now time.Time, overlap time.Duration) bool {
	return v.expired(now) || v.overlapOver(now, overlap)
}

// usable reports whether requests may have the version; now counts only if it is dated.
func (v *version) usable(now time.Time, overlap time.Duration) bool {
	return v.unusable == nil && !v.revoked && (!v.dated() || !v.over(now, overlap) && !v.pending(now))
}

// until returns when the version goes out of use, zero if no end is set.
func (v *version) until(overlap time.Duration) time.Time {
	end := v.key.Load().ExpiresAt
	if v.replaced() {
		if over := v.replacedAt.Add(overlap); end.IsZero() || over.Before(end) {
			return over
		}
	}
	return end
}

// status says how the version stands, but for whether it is safe to revoke.
func (v *version) status(overlap time.Duration) VersionStatus {
	vs := VersionStatus{
		Version: v.label(), Role: v.role, State: v.state, Since: v.since, Until: v.until(overlap),
		LastUsed: v.lastUsed, LastAccepted: v.lastAccepted,
	}
	vs.count(v.figures)
	switch {
	case v.revoked:
		vs.State = StateRevoked
	case v.unusable != nil:
		vs.State = StateUnusable
	case vs.State == StateUnused && vs.Requests > 0:
		vs.State = StateUnknown
	}
	return vs
}
