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
	c := r.callers.v
	c.sample(now)
	s.Callers = Use{c.figures.sent(), c.figures.inFlight(), c.lastUsed}
	for _, v := range r.roster.list {
		v.sample(now)
		vs := v.status(r.roster.overlap)
		vs.SafeToRevoke, vs.Reason = r.safeToRevoke(v, vs, now)
		if v == snap.current {
			s.Current = vs
		}
		s.Versions = append(s.Versions, vs)
	}
	for _, old := range r.roster.retired {
		vs := old.status
		vs.count(old.figures)
		vs.SafeToRevoke, vs.Reason = r.retiredSafe(old, vs, now)
		s.Versions = append(s.Versions, vs)
	}
	return s
}

func (v *VersionStatus) count(f *figures) {
	v.InFlight = f.inFlight()
	v.Requests, v.Accepted, v.Refused = f.sent(), f.accepted(), f.refused.Load()
}
