package ring

import (
	"cmp"
	"time"
)

// Role says how the ring uses a version.
type Role string

// The roles.
const (
	RoleCurrent  Role = "current"  // the newest usable version
	RolePrevious Role = "previous" // may still be used
	RolePending  Role = "pending"  // NotBefore has not come yet
	RoleRetired  Role = "retired"  // no longer used; listed for its counters
)

// State says what is known of a version.
type State string

// The states.
const (
	StateUnused   State = "unused"   // not sent yet
	StateAccepted State = "accepted" // the server accepted it last
	StateRefused  State = "refused"  // the server refused it last
	StateUnknown  State = "unknown"  // sent; no outcome said anything about the key
	StateUnusable State = "unusable" // its scheme cannot use it
	StateRevoked  State = "revoked"  // by the source, or by [Ring.Revoke]
)

// Status is what a ring knows at one moment. It contains no secret and marshals to JSON.
type Status struct {
	Source string `json:"source"`
	// Current is the current version. Its Version is empty if there is none.
	Current VersionStatus `json:"current"`
	// InUse is the name of the version that requests get now: the current one, or a
	// previous one during a fall-back. It is empty if there is no key to send.
	InUse string `json:"in_use,omitempty"`
	// Versions are all versions, newest first, with the last 8 retired ones.
	Versions []VersionStatus `json:"versions"`

	// Callers counts the requests with keys of their own that the ring does not know: see
	// [Ring.Caller].
	Callers Use `json:"callers"`

	// LastRead is when the source was last read with success, and Age how long ago that
	// is. If the source returned a copy, or the keys come from the cache, LastRead is when
	// they were read at their origin.
	LastRead time.Time     `json:"last_read,omitzero"`
	Age      time.Duration `json:"age_ns"`
	// Stale says that Age is beyond [WithStaleAfter], or that the keys come from the cache
	// and the source could not be read.
	Stale bool `json:"stale"`
	// Ready says that there is a key to send. It is for readiness probes: it stays true
	// while the server refuses a key and while the source cannot be read, unless
	// [WithMaxStale] says otherwise.
	Ready bool `json:"ready"`
	// Healthy says that the ring is ready and nothing is degraded. It is for alerts.
	Healthy bool `json:"healthy"`
	// Degraded has each state in which the ring works worse than it should, with its
	// reason in words, the worst first. Events of the same kinds report it.
	Degraded []Degradation `json:"degraded"`
	// LastError is the text of the last reading's error, empty if it succeeded.
	LastError string `json:"last_error,omitempty"`
	// Reads and FailedReads count the readings of the source since Keep.
	Reads       uint64 `json:"reads"`
	FailedReads uint64 `json:"failed_reads"`
}

// Use counts the requests with keys that are not the ring's.
type Use struct {
	Requests uint64 `json:"requests"`
	InFlight uint64 `json:"in_flight"`
	// LastUsed is sampled: see [VersionStatus].
	LastUsed time.Time `json:"last_used,omitzero"`
}

// VersionStatus is what a ring knows of one version.
type VersionStatus struct {
	Version string `json:"version"`
	Role    Role   `json:"role"`
	State   State  `json:"state"`
	// Since is when the version got its role.
	Since time.Time `json:"since,omitzero"`
	// Until is when the version goes out of use: the end of its overlap or its expiry,
	// whichever is first; zero if neither is set.
	Until time.Time `json:"until,omitzero"`

	// Requests counts the attempts with the version. Accepted and Refused count those with
	// that outcome, InFlight those without an outcome so far and those whose answer is still
	// open: its body was neither closed nor read to its end (see [Attempt.Stream]).
	Requests uint64 `json:"requests"`
	Accepted uint64 `json:"accepted"`
	Refused  uint64 `json:"refused"`
	InFlight uint64 `json:"in_flight"`
	// LastRefused is when the version was last refused, zero if it never was. AcceptedSince
	// counts the acceptances since then, or since the version became current if that was
	// later. A refusal that may not be about the key counts only if another key was accepted
	// in its place.
	LastRefused   time.Time `json:"last_refused,omitzero"`
	AcceptedSince uint64    `json:"accepted_since"`
	// Pins counts the uses outside requests, such as sessions: see [Ring.Pin].
	Pins int64 `json:"pins,omitempty"`
	// LastUsed and LastAccepted are when the version was last sent and last accepted. They
	// come from sampling the counters, at least once a minute and at every Status: they are
	// never too early, and too late by the time between two samples at most.
	LastUsed     time.Time `json:"last_used,omitzero"`
	LastAccepted time.Time `json:"last_accepted,omitzero"`

	// SafeToRevoke says that, as far as this process knows, no request fails if the server
	// stops accepting this version now. Reason says why, or why not. See "When a key is safe
	// to revoke" in the package documentation.
	SafeToRevoke bool   `json:"safe_to_revoke"`
	Reason       string `json:"reason"`
}

// Status returns what the ring knows now. It does not block requests that are not refused.
func (r *Ring) Status() Status {
	if r == nil || r.cancel == nil {
		return Status{}
	}
	r.mu.Lock()
	defer r.unlock()
	now := r.cfg.now()
	r.watch(now)
	snap, h := r.snap.Load(), &r.health
	s := Status{
		Source: r.name, LastRead: h.lastRead, Stale: h.stale, Reads: h.reads, FailedReads: h.failed,
		Versions: []VersionStatus{}, Ready: snap.err == nil, Degraded: r.ledger.status(),
	}
	if r.ctx.Err() != nil {
		s.Degraded = []Degradation{{Kind: NoKey, Reason: snap.err.Error()}}
	}
	s.Healthy = s.Ready && len(s.Degraded) == 0
	if !h.lastRead.IsZero() {
		s.Age = h.age(now)
	}
	if h.lastErr != nil {
		s.LastError = h.lastErr.Error()
	}
	if s.Ready {
		s.InUse = snap.use.label()
	}
	c := r.callers.v
	c.sample(now)
	s.Callers = Use{c.counters.sent(), c.counters.inFlight(), c.lastUsed}
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
		vs.count(old.counters)
		why := r.carried(old.counters, vs, now)
		vs.SafeToRevoke, vs.Reason = why == "", cmp.Or(why, "no longer used")
		s.Versions = append(s.Versions, vs)
	}
	return s
}

func (v *VersionStatus) count(f *counters) {
	v.InFlight, v.Pins = f.inFlight(), f.pins.Load()
	v.Requests, v.Accepted, v.Refused = f.sent(), f.accepted(), f.refused.Load()
}
