package source_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/rollingkeys/rollingkeys/source"
)

// model is what a ring over a source that lists one key at a time must be seen
// to do, in as few words as possible.
type model struct {
	current string
	ends    map[string]time.Time // previous version -> end of its overlap
	order   []string             // previous versions, newest first
	revoked map[string]bool
	served  string // the last request, by a server that has taken it ever since
}

func (m *model) usable(now time.Time) []string {
	var list []string
	if m.current != "" && !m.revoked[m.current] {
		list = append(list, m.current)
	}
	for _, v := range m.order {
		if now.Before(m.ends[v]) && !m.revoked[v] {
			list = append(list, v)
		}
	}
	return list
}

// rotate makes v current.
func (m *model) rotate(v string, now time.Time, overlap time.Duration) {
	if v == m.current {
		return
	}
	m.order = slices.DeleteFunc(m.order, func(o string) bool { return o == v || !now.Before(m.ends[o]) || m.revoked[o] })
	if !m.revoked[m.current] {
		m.order = slices.Insert(m.order, 0, m.current)
		m.ends[m.current] = now.Add(overlap)
	}
	delete(m.revoked, m.current) // the source has stopped listing it
	delete(m.ends, v)
	m.current = v
	m.order = m.order[:min(len(m.order), 8)]
}

// A ring that is driven at random agrees with the model: it sends only versions
// that are usable, the current one unless the server refused it, never twice the
// same in one request, at most three times; and a request fails only if the
// server took none of them, and never while it takes the key that it took last.
func TestRingAgainstModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		overlap := rapid.SampledFrom([]time.Duration{0, time.Minute, time.Hour}).Draw(rt, "overlap")
		actions := rapid.SliceOfN(rapid.SampledFrom([]string{
			"rotate", "rotate", "rollback", "revoke", "request", "request", "request", "server", "server", "wait", "long", "same", "fail",
		}), 1, 60).Draw(rt, "actions")
		picks := rapid.SliceOfN(rapid.IntRange(0, 1<<20), len(actions), len(actions)).Draw(rt, "picks")
		synctest.Test(t, func(t *testing.T) {
			if problem := drive(t, overlap, actions, picks); problem != "" {
				rt.Error(problem)
			}
		})
	})
}

func drive(t *testing.T, overlap time.Duration, actions []string, picks []int) (problem string) {
	names := 1
	// The source names its versions, so that the model need not guess.
	one := func(v string) source.Set { return source.Set{Keys: []source.Key{key(v)}} }
	s := &store{set: one("v1")}
	r, _ := keep(t, s, source.WithOverlap(overlap), source.WithRefusalWait(0), source.WithPoll(time.Hour), source.WithStaleAfter(1000*time.Hour))
	defer r.Close()
	m := &model{current: "v1", ends: map[string]time.Time{}, revoked: map[string]bool{}}
	taken := map[string]bool{"v1": true} // by the server
	put := func(v string) {
		s.put(one(v), nil)
		if err := r.Refresh(t.Context()); err != nil {
			problem = fmt.Sprintf("refresh: %v", err)
		}
		m.rotate(v, time.Now(), overlap)
	}
	for i, action := range actions {
		pick := picks[i]
		switch action {
		case "rotate":
			names++
			v := fmt.Sprintf("v%d", names)
			taken[v] = pick%3 > 0
			put(v)
		case "rollback":
			if usable := m.usable(time.Now()); len(usable) > 1 && usable[0] == m.current {
				put(usable[1])
			}
		case "same":
			put(m.current)
		case "fail":
			s.put(source.Set{}, source.ErrUnavailable)
			if r.Refresh(t.Context()) == nil {
				return "a failed reading is no error"
			}
			s.put(one(m.current), nil)
		case "revoke":
			usable := m.usable(time.Now())
			if len(usable) < 2 {
				continue
			}
			v := usable[pick%len(usable)]
			if err := r.Revoke(v); err != nil {
				return fmt.Sprintf("revoke %s: %v", v, err)
			}
			m.revoked[v] = true
		case "server":
			if usable := m.usable(time.Now()); len(usable) > 0 {
				v := usable[pick%len(usable)]
				taken[v] = !taken[v]
				if v == m.served {
					m.served = ""
				}
			}
		case "wait":
			time.Sleep(time.Duration(pick%2000) * time.Millisecond)
		case "long":
			time.Sleep(time.Duration(pick%120) * time.Second)
		case "request":
			if problem := request(t, r, m, taken, true); problem != "" {
				return fmt.Sprintf("action %d: %s", i, problem)
			}
		}
		synctest.Wait()
		if problem != "" {
			return problem
		}
		if usable := m.usable(time.Now()); len(usable) > 0 && !slices.Contains(usable, r.Version()) {
			return fmt.Sprintf("action %d, %s: in use %q, usable %q", i, action, r.Version(), usable)
		}
	}
	// Once the server takes the current key and nothing else, the ring comes back
	// to it within the longest hold-off.
	if m.revoked[m.current] {
		return ""
	}
	taken = map[string]bool{m.current: true}
	time.Sleep(70 * time.Second)
	for range 3 {
		if problem := request(t, r, m, taken, true); problem != "" {
			return "at the end: " + problem
		}
	}
	if v := r.Version(); v != m.current {
		return fmt.Sprintf("at the end %q is in use, not %q", v, m.current)
	}
	return ""
}

// request sends one request as a transport does.
func request(t *testing.T, r *source.Ring, m *model, taken map[string]bool, hasty bool) string {
	usable := m.usable(time.Now())
	a, err := r.Attempt(true)
	if err != nil {
		if len(usable) == 0 && errors.Is(err, source.ErrNoKey) {
			return ""
		}
		return fmt.Sprintf("no attempt: %v, usable %q", err, usable)
	}
	var sent []string
	for {
		v := a.Version()
		if !slices.Contains(usable, v) {
			return fmt.Sprintf("sent %q, usable are %q", v, usable)
		}
		// No version joins meanwhile. A third attempt is for keys that change under
		// the request: never more, and never the same twice in a row.
		if len(sent) == 3 || len(sent) > 0 && v == sent[len(sent)-1] || len(sent) == 1 && v == sent[0] {
			return fmt.Sprintf("sent %q after %q", v, sent)
		}
		sent = append(sent, v)
		if taken[v] {
			a.Accepted()
			m.served = v
			return ""
		}
		if !a.Next(t.Context(), false) {
			break
		}
	}
	if slices.Contains(usable, m.served) {
		return fmt.Sprintf("gave up after %q, although the server takes %q", sent, m.served)
	}
	if len(usable) < 2 || len(sent) > 1 || !r.Status().Healthy {
		return ""
	}
	if hasty { // within a hold-off nothing is learnt
		time.Sleep(2 * time.Second)
		return request(t, r, m, taken, false)
	}
	return fmt.Sprintf("gave up after %q, usable are %q, and calls itself healthy", sent, usable)
}
