package ring

import (
	"fmt"
	"time"
)

// A revocation of a version breaks a request of this process only if
//
//  1. the version is in use: a request that carries it has no outcome yet, its answer is
//     still open, a session or a caller has the key, or the ring itself sends it; or
//  2. a later request needs it: the server refuses the current version for that request.
//
// The ring sees the first. The second lies in the future: the ring concludes from what the
// server did so far. Suppose that the server consists of parts, that is replicas and
// endpoints, each of which always gives the same answer to a key that it does not come to
// know or is not told to revoke, and that for each part which checks keys, and which this
// process will use,
//
//	A  within settleTime after the first acceptance of the current version the part knows
//	   that version, or has refused it once to this process; and
//	B  as long as it does not know that version, it refuses it to this process at least once
//	   in each doubtTime.
//
// Then, if the current version was accepted settleTime ago, was not held since, and was not
// refused for doubtTime, each part knows it: no request is refused, and none needs another
// key. After a later rotation they may need a previous one: then the ring tries, besides the
// newest ones, the version that was accepted last, so that version is never safe to revoke.
// The others are superfluous.
//
// An acceptance by a part that checks no key says nothing, so that A and B are about all the
// others. They fail if these are asked too rarely: then name the requests that need no key,
// by NeedsKey or WithoutKey of package transport, so that only parts that check the key can
// accept it.
//
// TestNothingBreaks in package transport looks for a counterexample.
const (
	// quietTime is how long a previous version must not have been sent: the longest hold-off.
	quietTime = maxHoldOff
	// settleTime is how long a server has to make a new key known everywhere.
	settleTime = 10 * time.Minute
	// doubtTime is how long one refusal of the current version counts.
	doubtTime = time.Hour
)

// safeToRevoke says whether a version can be revoked at the server, as far as this
// process knows, and why. The caller holds mu.
func (r *Ring) safeToRevoke(v *version, vs VersionStatus, now time.Time) (bool, string) {
	snap := r.snap.Load()
	c := snap.current
	if v == c {
		return false, "it is current"
	}
	if why := r.carried(v.counters, vs, now); why != "" {
		return false, why
	}
	switch {
	case v.revoked:
		return true, "revoked here"
	case v.role == RoleRetired:
		return true, "no longer used"
	case v.unusable != nil:
		return true, "never used: its scheme cannot use it"
	case v.role == RolePending:
		return false, "it is to become current"
	case v == snap.use:
		return false, "it is in use: the server refuses the current version"
	case c == nil || c.proved == 0:
		return false, "the current version has not been accepted"
	case !c.refusedAt.IsZero() && now.Sub(c.refusedAt) < doubtTime:
		return false, fmt.Sprintf("the current version was refused at %s, and accepted %d times since: wait an hour after the last refusal",
			stamp(c.refusedAt), c.counters.accepted()-c.acceptedBefore)
	case now.Sub(c.provedAt) < settleTime:
		return false, fmt.Sprintf("the current version is accepted only since %s, %d times: wait 10 minutes",
			stamp(c.provedAt), c.counters.accepted()-c.acceptedBefore)
	case v == r.policy.good: // requests would fall back to it first after the next rotation
		return false, "it was accepted last: wait until the current version is accepted again"
	case v.rejected:
		return true, "the server refuses it already"
	case !v.lastUsed.IsZero() && now.Sub(v.lastUsed) < quietTime:
		return false, "in use less than a minute ago"
	default:
		return true, "the current version is accepted, and this one is not sent any more"
	}
}

// carried says why a version may be in use, whatever its role: a version that is retired
// here may be a caller's own key elsewhere. It is empty if nothing says so. The caller
// holds mu.
func (r *Ring) carried(c *counters, vs VersionStatus, now time.Time) (why string) {
	switch {
	case vs.InFlight > 0:
		return "requests that carry it are still out, or their answers are still open"
	case vs.Pins > 0: // F127
		return fmt.Sprintf("it is pinned %d times: by sessions that are logged in with it, or by holders of the key", vs.Pins)
	case r.callers.active(now):
		return "requests with keys of their own, which the ring does not know, went out less than a minute ago"
	case c.calledLately(now):
		return "a caller took or used it itself less than a minute ago"
	}
	return ""
}
