package ring

import (
	"fmt"
	"time"
)

// quietTime is how long a previous version must not have been sent before it is safe to
// revoke: the longest hold-off. A fall-back to it would have happened by then.
const quietTime = maxHoldOff

// safeToRevoke says whether a version can be revoked at the server, as far as this
// process knows, and why. The caller holds mu.
func (r *Ring) safeToRevoke(v *version, vs VersionStatus, now time.Time) (bool, string) {
	snap := r.snap.Load()
	if v == snap.current {
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
	case snap.current == nil || snap.current.proved == 0:
		return false, "the current version has not been accepted"
	case v.rejected:
		return true, "the server refuses it already"
	case now.Sub(snap.current.since) < quietTime || !v.lastUsed.IsZero() && now.Sub(v.lastUsed) < quietTime:
		return false, "in use, or current, less than a minute ago"
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
		return "requests that carry it are still out"
	case vs.Pins > 0: // F127
		return fmt.Sprintf("it is pinned %d times: by sessions that are logged in with it, or by holders of the key", vs.Pins)
	case r.callers.active(now):
		return "requests with keys of their own, which the ring does not know, went out less than a minute ago"
	case c.calledLately(now):
		return "a caller took or used it itself less than a minute ago"
	}
	return ""
}
