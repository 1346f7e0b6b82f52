package mockapi

import (
	"crypto/sha256"
	"slices"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
)

// Reason says why a request was refused.
type Reason string

const (
	// ReasonUnknown means that the request carried no key, more than one, or one
	// that was never issued.
	ReasonUnknown Reason = "unknown"
	// ReasonInactive means that the replica does not accept the version, or does
	// not accept it yet.
	ReasonInactive Reason = "inactive"
	// ReasonExpired means that the version has expired.
	ReasonExpired Reason = "expired"
	// ReasonRevoked means that the version was revoked.
	ReasonRevoked Reason = "revoked"
	// ReasonAuth means that the [Authenticator] returned a refusal.
	ReasonAuth Reason = "auth"
)

// standing returns why the replica refuses v at the given time, or "" if it accepts v.
func (v *version) standing(replica int, at time.Time) Reason {
	switch {
	case v.revoked:
		return ReasonRevoked
	case !v.key.ExpiresAt.IsZero() && !at.Before(v.key.ExpiresAt):
		return ReasonExpired
	case replica >= len(v.from): // SetReplicas has removed the replica since
		return ReasonInactive
	case v.from[replica].IsZero() || at.Before(v.from[replica]):
		return ReasonInactive
	}
	return ""
}

// Keys finds issued keys for an [Authenticator]. The results begin with the keys
// that the request's replica accepts; within these and within the others, the
// newest comes first.
type Keys interface {
	ByID(id string) []source.Key
	BySecret(secret string) []source.Key
}

// view implements Keys for one replica at one time.
type view struct {
	life    *life
	replica int
	at      time.Time
}

func (w view) ByID(id string) []source.Key {
	w.life.mu.RLock()
	defer w.life.mu.RUnlock()
	return w.order(w.life.byID[id])
}

func (w view) BySecret(secret string) []source.Key {
	if secret == "" {
		return nil
	}
	w.life.mu.RLock()
	defer w.life.mu.RUnlock()
	return w.order(w.life.bySecret[sha256.Sum256([]byte(secret))])
}

func (w view) order(found []*version) []source.Key {
	found = slices.Clone(found)
	slices.SortFunc(found, func(x, y *version) int {
		xIn, yIn := w.accepts(x), w.accepts(y)
		switch {
		case xIn == yIn:
			return y.n - x.n
		case xIn:
			return -1
		}
		return 1
	})
	keys := make([]source.Key, len(found))
	for i, v := range found {
		keys[i] = v.key.Clone()
	}
	return keys
}

func (w view) accepts(v *version) bool { return v.standing(w.replica, w.at) == "" }

// judge counts an attempt with the version name, and returns why it is refused, or
// "" if it is accepted. If the Authenticator refused (byAuth), that is the reason.
func (w view) judge(name string, byAuth bool) Reason {
	w.life.mu.RLock()
	defer w.life.mu.RUnlock()
	v := w.life.byName[name]
	if v == nil {
		w.life.strangers.Add(1)
		if byAuth {
			return ReasonAuth
		}
		return ReasonUnknown
	}
	reason := v.standing(w.replica, w.at)
	if byAuth {
		reason = ReasonAuth
	}
	if reason == "" {
		v.accepted.Add(1)
	} else {
		v.refused.Add(1)
	}
	return reason
}

// Count returns how many attempts with the version were accepted and refused. For
// version "", refused counts the attempts without a known key. For an unknown
// version both are 0.
func (a *API) Count(version string) (accepted, refused uint64) {
	a.life.mu.RLock()
	defer a.life.mu.RUnlock()
	if version == "" {
		return 0, a.life.strangers.Load()
	}
	if v := a.life.byName[version]; v != nil {
		return v.accepted.Load(), v.refused.Load()
	}
	return 0, 0
}

// KeyState is the state of one version.
type KeyState struct {
	Key source.Key
	// Replicas are the replicas that accept the version now.
	Replicas []int
	// Revoked, Listed and Pending are set as in [API.Revoke], [API.List] and
	// [Spec].
	Revoked, Listed, Pending bool
	// Accepted and Refused count attempts.
	Accepted, Refused uint64
}

// Keys returns all versions, newest first.
func (a *API) Keys() []KeyState {
	a.life.mu.RLock()
	defer a.life.mu.RUnlock()
	at := now()
	states := make([]KeyState, 0, len(a.life.versions))
	for _, v := range slices.Backward(a.life.versions) {
		s := KeyState{
			Key: v.key.Clone(), Replicas: []int{}, Revoked: v.revoked, Listed: v.listed, Pending: v.pending,
			Accepted: v.accepted.Load(), Refused: v.refused.Load(),
		}
		for i := range v.from {
			if v.standing(i, at) == "" {
				s.Replicas = append(s.Replicas, i)
			}
		}
		states = append(states, s)
	}
	return states
}
