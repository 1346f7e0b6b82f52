package ring

import "time"

// quietTime is how long a previous version must not have been sent before it is
// called safe to revoke: the longest hold-off, after which a fall-back to it
// would have shown.
const quietTime = maxHoldOff

// unknownKeys is why nothing is safe to revoke: which key these requests carry, nobody knows.
const unknownKeys = "requests with keys of their own, which the ring does not know, went out less than a minute ago"

// calledKey is why one version is not: it may be retired here, and in use there.
const calledKey = "a caller used it itself less than a minute ago"

// safeToRevoke says whether a version can be revoked at the server, as far as this
// process knows, and why. The caller holds mu.
func (r *Ring) safeToRevoke(v *version, vs VersionStatus, now time.Time) (bool, string) {
	snap := r.snap.Load()
	switch {
	case v == snap.current:
		return false, "it is current"
	case vs.InFlight > 0:
		return false, "requests that carry it are still out"
	case r.callers.act(now):
		return false, unknownKeys
	case v.figures.calledLately(now):
		return false, calledKey
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

// retiredSafe says the same of a version that is out of use. The caller holds mu.
func (r *Ring) retiredSafe(old retired, vs VersionStatus, now time.Time) (bool, string) {
	switch {
	case vs.InFlight > 0:
		return false, "requests that carry it are still out"
	case r.callers.act(now):
		return false, unknownKeys
	case old.figures.calledLately(now):
		return false, calledKey
	}
	return true, "no longer used"
}
