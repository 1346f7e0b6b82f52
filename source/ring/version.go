package ring

import (
	"sync/atomic"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
)

// version is one key of a ring, and what the ring knows of it.
type version struct {
	key      atomic.Pointer[source.Key] // its Version is the label, unique in the ring
	prepared atomic.Pointer[[]any]      // by slot; replaced, never changed
	counters *counters

	// Ring.mu guards what follows.
	standing
	usage
	denials    denials
	given      string // the source's name for it, or empty
	role       Role
	since      time.Time // when it got its role
	rank       uint64    // 1 for the first version that became current, and so on; 0 means it never was
	seen       time.Time // when the ring first saw it
	listed     bool      // it is in the last set, and not as one of a history
	unlisted   time.Time // since when it is not; zero while it is
	replacedAt time.Time // when its overlap began, if the source does not list it; or zero
	revoked    bool
	unusable   error
	refusedBy  uint64    // the id of the scheme that cannot use it
	askAt      time.Time // when the source is next asked for a successor
}

// usage says when a version was last used, by sampling its counters.
type usage struct {
	sampledSent, sampledAccepted uint64
	lastUsed, lastAccepted       time.Time
}

// sample compares the counters with those of the last sample, and records the time if they
// have changed.
func (v *version) sample(now time.Time) {
	if n := v.counters.sent(); n != v.sampledSent {
		v.sampledSent, v.lastUsed = n, now
	}
	if n := v.counters.accepted(); n != v.sampledAccepted {
		v.sampledAccepted, v.lastAccepted = n, now
	}
}

// label returns the name that users see.
func (v *version) label() string { return v.key.Load().Version }

// is reports whether the version has the content of key. To a server the same content under
// another name is the same key, and other content under the same name another key (F91).
func (v *version) is(key source.Key) bool { return v.key.Load().SameContent(key) }

// become gives v a role.
func (v *version) become(role Role, now time.Time) {
	if v.role != role {
		v.role, v.since = role, now
	}
}

// dated returns key with its times in UTC. An end after the year 9999 is none.
func dated(key source.Key) source.Key {
	if key.ExpiresAt.After(lastTime) {
		key.ExpiresAt = time.Time{}
	}
	for _, t := range []*time.Time{&key.CreatedAt, &key.NotBefore, &key.ExpiresAt, &key.ReplacedAt} {
		*t = utc(*t)
	}
	return key
}

// firstTime and lastTime are the first and the last time that JSON can express and that is
// not zero.
var (
	firstTime = time.Time{}.Add(1)
	lastTime  = time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC)
)

// utc returns t in UTC, or the nearest time to it that JSON can express. In another zone a
// time of the year 9999 may be one of the year 10000, of which there is no JSON (F172).
func utc(t time.Time) time.Time {
	switch {
	case t.IsZero():
		return time.Time{}
	case t.Before(firstTime):
		return firstTime
	case t.After(lastTime):
		return lastTime
	}
	return t.UTC()
}

func (v *version) expired(now time.Time) bool { return expired(v.key.Load(), now) }

func (v *version) pending(now time.Time) bool { return pending(v.key.Load(), now) }

// pending reports whether the key may not be used yet.
func pending(k *source.Key, now time.Time) bool { return now.Before(k.NotBefore) }

// expired reports whether the key may not be used any more.
func expired(k *source.Key, now time.Time) bool {
	return !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt)
}

// usable reports whether the version may be current.
func (v *version) usable(now time.Time) bool {
	return v.unusable == nil && !v.revoked && !v.expired(now) && !v.pending(now)
}

// until returns when the version goes out of use, zero if nothing says when.
func (v *version) until(overlap time.Duration) time.Time {
	end := v.key.Load().ExpiresAt
	if v.replaced() {
		if over := v.replacedAt.Add(overlap); end.IsZero() || over.Before(end) {
			return over
		}
	}
	return end
}

// status returns the version's status, but for whether it is safe to revoke.
func (v *version) status(overlap time.Duration) VersionStatus {
	vs := VersionStatus{
		Version: v.label(), Role: v.role, State: v.state, Since: v.since, Until: v.until(overlap),
		LastUsed: v.lastUsed, LastAccepted: v.lastAccepted, LastRefused: v.refusedAt,
		AcceptedSince: v.counters.accepted() - v.acceptedBefore,
	}
	vs.count(v.counters)
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
