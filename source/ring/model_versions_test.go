package ring_test

import (
	"slices"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// entry is a version as the model has it.
type entry struct {
	key      source.Key
	listed   bool
	replaced time.Time // when its overlap began, as the ring says: see observe
	excess   bool      // there are more remembered ones than the ring keeps
	since    time.Time // when it became current

	joined int // the step in which it came
	*figures
	lastSent       time.Time
	refusedAt      time.Time // when the last refusal came that was about the key
	goodAt, calmAt time.Time // the first acceptance since it became current; and, at the least, since a refusal

	// What the server said of it. Steps tell what is late from what is not.
	told       int  // the step of the last word that counts, or of its becoming current
	acceptance int  // the step of the last since it became current
	twice      int  // the step in which a request was refused with it twice in a row
	refusal    int  // the step of the last, whether it counts or not
	marked     int  // the step of the refusal that took the current version out of use
	doubted    bool // refused since it became current or was accepted
	good       bool // accepted since it became current
	proof      bool // the same, known before the ring is told
	rejected   bool // refused where a newer version was accepted

	hold  holdOff
	turns holdOff // while it is rejected
}

// figures count the requests with one key, also where it was retired in between.
type figures struct{ sent, accepted, refused, out uint64 }

func (e *entry) name() string { return e.key.Version }

// model is which versions a ring must be seen to have, in as few words as possible.
type model struct {
	overlap  time.Duration
	list     []*entry // newest first
	ever     map[string]*entry
	retired  func(version string) bool // the ring remembers the figures of a version
	revoked  map[string]bool
	current  *entry
	at       time.Time // up to which the list is right
	step     int
	inUse    bool // the current version
	refusing bool // a refusal is being told
	turned   int  // the step in which it came into use, or went out of it
}

func (m *model) find(version string) *entry {
	if i := slices.IndexFunc(m.list, func(e *entry) bool { return e.name() == version }); i >= 0 {
		return m.list[i]
	}
	return nil
}

// until returns when e goes out of use, or went but for the lack of a successor that the
// server accepts; zero for never.
func (m *model) until(e *entry) time.Time {
	end := e.key.ExpiresAt
	if over := e.replaced.Add(m.overlap); !e.replaced.IsZero() && (end.IsZero() || over.Before(end)) {
		end = over
	}
	return end
}

func (m *model) expired(e *entry) bool {
	return !e.key.ExpiresAt.IsZero() && !m.at.Before(e.key.ExpiresAt)
}

func (m *model) role(e *entry) ring.Role {
	switch {
	case m.revoked[e.name()] || m.expired(e):
		return ring.RoleRetired
	case m.at.Before(e.key.NotBefore):
		return ring.RolePending
	case e == m.current:
		return ring.RoleCurrent
	default:
		return ring.RolePrevious
	}
}

func (m *model) usable(e *entry) bool {
	role := m.role(e)
	return role == ring.RoleCurrent || role == ring.RolePrevious
}

func (m *model) live(e *entry) bool { return slices.Contains(m.list, e) && m.usable(e) }

// turn brings the model to a time, from one beginning and end to the next.
func (m *model) turn(now time.Time) {
	for done := false; !done; {
		next := now
		for _, e := range m.list {
			for _, t := range []time.Time{e.key.NotBefore, m.until(e)} {
				if t.After(m.at) && t.Before(next) {
					next = t
				}
			}
		}
		done = !next.Before(now)
		m.at = next
		m.settle()
	}
}

// settle finds out which version is current at this time. What the source does not list
// goes when it expires, or when it is replaced and there is no overlap.
func (m *model) settle() {
	before := m.current
	m.current = nil
	if i := slices.IndexFunc(m.list, m.usable); i >= 0 {
		m.current = m.list[i]
	}
	behind := false
	m.list = slices.DeleteFunc(m.list, func(e *entry) bool {
		replaced := behind && !e.listed && m.overlap == 0
		if behind = behind || e == m.current; e == m.current {
			e.replaced = time.Time{}
		}
		return !e.listed && !m.revoked[e.name()] && m.expired(e) || replaced
	})
	if c := m.current; c != nil && c != before {
		c.since, c.told, c.marked, c.doubted, c.good, c.rejected, c.hold = m.at, m.step, 0, false, false, false, holdOff{}
		c.acceptance, c.twice, c.proof, c.goodAt, c.calmAt = 0, 0, false, time.Time{}, time.Time{}
		m.turned = m.step
	}
}

// observe takes over what the ring says of the overlaps, and returns what is wrong with it.
// An overlap begins with the acceptance of a newer version, and ends after its time, while
// a newer version is accepted.
//
// F129
func (m *model) observe(st ring.Status) (wrong string) {
	c := m.current
	if c == nil {
		return ""
	}
	sure := m.inUse && c.good && !c.doubted && !m.refusing // the server accepts the current version
	accepted, behind := false, false                       // a newer version than e was; e is behind the current one
	var list []*entry
	for _, e := range m.list {
		i := slices.IndexFunc(st.Versions, func(v ring.VersionStatus) bool { return v.Version == e.name() && v.Role != ring.RoleRetired })
		remembered := !e.listed && m.role(e) != ring.RoleRetired
		switch {
		case !remembered:
		case i < 0 && e.excess:
			continue
		case i < 0:
			if !accepted || e.replaced.IsZero() || m.at.Before(e.replaced.Add(m.overlap)) {
				return e.name() + " was dropped too soon"
			}
			continue
		default:
			end := st.Versions[i].Until
			if begun := !end.IsZero() && !end.Equal(e.key.ExpiresAt); begun && e.replaced.IsZero() {
				if !accepted {
					return "the overlap of " + e.name() + " began although no successor was accepted"
				}
				e.replaced = end.Add(-m.overlap)
			}
			if over := e.replaced.Add(m.overlap); sure && behind && m.at.After(over.Add(time.Millisecond)) && (!e.replaced.IsZero() || e.key.ExpiresAt.IsZero()) {
				return e.name() + " was not dropped"
			}
		}
		accepted, behind = accepted || e.proof, behind || e == c
		list = append(list, e)
	}
	m.list = list
	return ""
}

// put takes a set, all of it or none.
func (m *model) put(set source.Set, now time.Time) (ok bool) {
	m.turn(now)
	expired := func(k source.Key) bool { return !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt) }
	usable := func(k source.Key) bool {
		return !expired(k) && !now.Before(k.NotBefore) && !m.revoked[k.Version] && !slices.Contains(set.Revoked, k.Version)
	}
	c := m.current
	if set.Complete && c != nil && !slices.Contains(set.Revoked, c.name()) && !slices.ContainsFunc(set.Keys, usable) ||
		!set.Complete && expired(set.Keys[0]) {
		return false
	}
	var list []*entry
	for _, k := range set.Keys {
		e := m.find(k.Version)
		if e == nil {
			e = &entry{joined: m.step, figures: &figures{}}
			if old := m.ever[k.Version]; old != nil && m.retired(k.Version) { // it is back
				e.figures, e.refusedAt, e.lastSent = old.figures, old.refusedAt, now
			}
			m.ever[k.Version] = e
		}
		e.key, e.listed, e.replaced = k, true, time.Time{}
		list = append(list, e)
	}
	for _, e := range m.list {
		if !set.Complete && !slices.Contains(list, e) && !m.revoked[e.name()] {
			e.listed = false
			list = append(list, e)
		}
	}
	for _, e := range list {
		e.excess = !e.listed && len(list) > len(set.Keys)+8
	}
	m.list = list
	for _, v := range set.Revoked {
		m.revoked[v] = true
	}
	m.settle()
	return true
}
