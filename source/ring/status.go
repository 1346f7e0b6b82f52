package ring

import "time"

// Role says what a version is to its ring.
type Role string

// The roles.
const (
	RoleCurrent  Role = "current"  // the newest usable version
	RolePrevious Role = "previous" // may still be used
	RolePending  Role = "pending"  // NotBefore has not come yet
	RoleRetired  Role = "retired"  // no longer used; listed for its figures
)

// State says how a version stands with the server.
type State string

// The states.
const (
	StateUnused   State = "unused"   // not sent yet
	StateAccepted State = "accepted" // the server took it last
	StateRefused  State = "refused"  // the server refused it last
	StateUnknown  State = "unknown"  // sent; the outcomes say nothing about the key
	StateUnusable State = "unusable" // its scheme cannot use it
	StateRevoked  State = "revoked"
)

// Status is what a ring knows, at one moment. It holds no secret and marshals to JSON.
type Status struct {
	Source string `json:"source"`
	// Current is the version that is current; its Version is empty where there is none.
	Current VersionStatus `json:"current"`
	// InUse names the version that requests get now: the current one, but for
	// a fall-back.
	InUse string `json:"in_use,omitempty"`
	// Versions are all versions, newest first: the live ones and a few retired ones.
	Versions []VersionStatus `json:"versions"`

	// Callers are the requests with keys of their own that the ring does not know:
	// see [Ring.Caller].
	Callers Use `json:"callers"`

	// LastRead is when the source was last read with success, and Age how long
	// that is ago. Of keys out of a cache it is when they were true.
	LastRead time.Time     `json:"last_read,omitzero"`
	Age      time.Duration `json:"age_ns"`
	// Stale: Age is beyond WithStaleAfter, or the keys come out of a cache and the
	// source could not be read.
	Stale bool `json:"stale"`
	// Healthy: there is a key to use, it is not stale, and the server refuses
	// neither it nor everything.
	Healthy bool `json:"healthy"`
	// LastError is the last reading's error, empty after a good one.
	LastError string `json:"last_error,omitempty"`
	// Reads and FailedReads count readings of the source.
	Reads       uint64 `json:"reads"`
	FailedReads uint64 `json:"failed_reads"`
}

// Use is how much keys are used that are not the ring's.
type Use struct {
	Requests uint64 `json:"requests"`
	InFlight uint64 `json:"in_flight"`
	// LastUsed is noted by sampling, as that of a version is.
	LastUsed time.Time `json:"last_used,omitzero"`
}

// VersionStatus is what a ring knows of one version.
type VersionStatus struct {
	Version string `json:"version"`
	Role    Role   `json:"role"`
	State   State  `json:"state"`
	// Since is when the version took its role.
	Since time.Time `json:"since,omitzero"`
	// Until is when it loses it: the end of the overlap or its expiry; zero where no end is set.
	Until time.Time `json:"until,omitzero"`

	// Requests counts attempts that carried the version, Accepted and Refused
	// those whose outcome the server made known, InFlight those still out.
	Requests uint64 `json:"requests"`
	Accepted uint64 `json:"accepted"`
	Refused  uint64 `json:"refused"`
	InFlight uint64 `json:"in_flight"`
	// LastUsed and LastAccepted are when it was last sent and last taken. Times
	// are noted by sampling the counters, at every reading of the source and
	// every Status, never on the way of a request: they are no earlier than
	// the truth, and later by at most the time between two samples.
	LastUsed     time.Time `json:"last_used,omitzero"`
	LastAccepted time.Time `json:"last_accepted,omitzero"`

	// SafeToRevoke: as far as this process knows, nothing breaks if the server
	// stops taking this version now. Reason says why, or why not.
	SafeToRevoke bool   `json:"safe_to_revoke"`
	Reason       string `json:"reason"`
}

// quietTime is how long a previous version must not have been sent before it is
// called safe to revoke: the longest hold-off, after which a fall-back to it
// would have shown.
const quietTime = maxHoldOff

// unknownKeys is why nothing is safe to revoke: which key these requests carry, nobody knows.
const unknownKeys = "requests with keys of their own, which the ring does not know, went out less than a minute ago"

// calledKey is why one version is not: it may be retired here, and in use there.
const calledKey = "a caller used it itself less than a minute ago"

// callersAct reports whether such requests are out, or were a moment ago. The
// caller holds mu.
func (r *Ring) callersAct(now time.Time) bool {
	f := r.callers.figures
	return f.inFlight() > 0 || f.calledLately(now)
}

// Status says what the ring knows now. It takes a lock that requests do not need.
func (r *Ring) Status() Status {
	if r == nil || r.cancel == nil {
		return Status{}
	}
	r.mu.Lock()
	defer r.unlock()
	now := r.cfg.now()
	snap, h := r.snap.Load(), &r.health
	s := Status{
		Source: r.name, LastRead: h.lastRead, Stale: h.stale, Reads: h.reads, FailedReads: h.failed,
		Versions: []VersionStatus{},
	}
	if !h.lastRead.IsZero() {
		s.Age = h.age(now)
	}
	if h.lastErr != nil {
		s.LastError = h.lastErr.Error()
	}
	if snap.err == nil {
		s.InUse = snap.use.label()
		s.Healthy = !h.stale && !snap.refused
	}
	c := r.callers
	c.sample(now)
	s.Callers = Use{c.figures.sent(), c.figures.inFlight(), c.lastUsed}
	for _, v := range r.roster.list {
		v.sample(now)
		vs := r.describe(v, now)
		if v == snap.current {
			s.Current = vs
		}
		s.Versions = append(s.Versions, vs)
	}
	for _, old := range r.roster.retired {
		vs := old.status
		vs.count(old.figures)
		switch {
		case vs.InFlight > 0:
			vs.SafeToRevoke, vs.Reason = false, "requests that carry it are still out"
		case r.callersAct(now):
			vs.SafeToRevoke, vs.Reason = false, unknownKeys
		case old.figures.calledLately(now):
			vs.SafeToRevoke, vs.Reason = false, calledKey
		default:
			vs.SafeToRevoke, vs.Reason = true, "no longer used"
		}
		s.Versions = append(s.Versions, vs)
	}
	return s
}

func (v *VersionStatus) count(f *figures) {
	v.InFlight = f.inFlight()
	v.Requests, v.Accepted, v.Refused = f.sent(), f.accepted(), f.refused.Load()
}

// describe says how v stands. The caller holds mu.
func (r *Ring) describe(v *version, now time.Time) VersionStatus {
	vs := VersionStatus{
		Version: v.label(), Role: v.role, State: v.state, Since: v.since, Until: v.until(r.cfg.overlap),
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
	vs.SafeToRevoke, vs.Reason = r.safeToRevoke(v, vs, now)
	return vs
}

func (r *Ring) safeToRevoke(v *version, vs VersionStatus, now time.Time) (bool, string) {
	snap := r.snap.Load()
	switch {
	case v == snap.current:
		return false, "it is current"
	case vs.InFlight > 0:
		return false, "requests that carry it are still out"
	case r.callersAct(now):
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
