package ring

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// rig drives a policy as the ring does, without a ring: pauses have no jitter, time
// passes when the test says so, and a source that is asked has nothing at once.
type rig struct {
	policy
	now      time.Time
	versions map[string]*version
	requests map[string]*rigged
	asked    bool // for the request that was refused last
	waited   bool
}

// rigged is one request of a rig.
type rigged struct {
	v     *version
	left  moment
	probe *probe
	past  past
}

func newRig(lockout bool, versions ...string) *rig {
	g := &rig{now: time.Unix(1e9, 0), versions: make(map[string]*version), requests: make(map[string]*rigged)}
	g.lockout, g.jitter = lockout, func(int64) int64 { return 0 }
	g.list(versions...)
	return g
}

// list has the source list these versions, newest first.
func (g *rig) list(versions ...string) {
	var live []*version
	for _, name := range versions {
		v := g.versions[name]
		if v == nil {
			v = &version{given: name, counters: &counters{}, standing: standing{state: StateUnused}}
			g.versions[name] = v
		}
		live = append(live, v)
	}
	g.set(live, live)
	g.newlyHeld = nil
}

func (g *rig) name(v *version) string {
	if v == nil {
		return "-"
	}
	return v.given
}

func (g *rig) held() (names []string) {
	for _, v := range g.live {
		if v.held {
			names = append(names, g.name(v))
		}
	}
	return names
}

func (g *rig) begin(repeatable bool) *rigged {
	q := &rigged{left: g.moment}
	q.v, q.probe = g.first(repeatable, g.now)
	return q
}

func (g *rig) accept(q *rigged) { g.accepted(q.v, q.left, q.probe, &q.past, g.now) }

func (g *rig) refuse(q *rigged, ambiguous bool) {
	q.past.add(trial{q.v, q.left, ambiguous, q.probe != nil})
	g.policy.refused(&q.past, q.probe, g.now)
}

// again has a request sent again after a refusal, if there is anything to try.
func (g *rig) again(q *rigged, ambiguous bool) bool {
	g.asked, g.waited = false, false
	g.refuse(q, ambiguous)
	q.v, q.probe = g.next(&q.past, g.now)
	if q.v == nil && g.lockout && !ambiguous {
		g.exhausted(&q.past, g.now)
		q.v, q.probe = g.next(&q.past, g.now)
	}
	if q.v == nil && (!ambiguous || g.ambiguous.over(g.now)) {
		if !ambiguous {
			if wait, ok := g.ask(g.now); ok {
				g.askedInVain(wait, g.now)
				g.waited = wait
			}
		}
		g.asked, q.past.asked = true, true
		q.v, q.probe = g.next(&q.past, g.now)
	}
	if q.v == nil {
		g.exhausted(&q.past, g.now)
	}
	q.left = g.moment
	return q.v != nil
}

// end has a request that cannot be sent again refused.
func (g *rig) end(q *rigged) {
	g.refuse(q, false)
	g.exhausted(&q.past, g.now)
}

// forget ends a request with nothing known of its key.
func (g *rig) forget(q *rigged) {
	g.unknown(q.probe, g.now)
	if g.lockout && q.past.n > 0 {
		g.exhausted(&q.past, g.now)
	}
}

// serve sends a request to a server that takes some of the versions, and returns
// those that it was sent with, and whether the last served.
func (g *rig) serve(repeatable bool, takes func(name string) bool) (sent []string, served bool) {
	q := g.begin(repeatable)
	for open := q.v != nil; open; {
		sent = append(sent, g.name(q.v))
		switch {
		case takes(g.name(q.v)):
			g.accept(q)
			return sent, true
		case repeatable:
			open = g.again(q, false)
		default:
			g.end(q)
			open = false
		}
	}
	return sent, false
}

// play plays a script, whose words are:
//
//	a=v2      the request a begins, and gets v2 (-: nothing); it can be sent again
//	a:v2      the same, and it cannot
//	a+        a is accepted
//	a>v1      a is refused, and sent again with v1 (-: not again, and it has ended)
//	a>>v1     the same, once the source was asked in vain
//	a~v1      as a>v1, and the refusal is ambiguous
//	a!        a is refused, and cannot be sent again
//	a?        a ends with nothing known of its key
//	a@v1:v2   a connection that is logged in with v1 logs in as a, with v2; - is not at all
//	1.2s      time passes
//	[v3,v2]   the source lists these
//	use=v1    requests get v1
//	held=v1   this is held, and no other
func (g *rig) play(t *testing.T, script string) {
	t.Helper()
	for i, word := range strings.Fields(script) {
		if err := g.word(word); err != nil {
			t.Fatalf("%s, at word %d: %q: %v", script, i+1, word, err)
		}
	}
}

func (g *rig) word(word string) error {
	expect := func(got, want string) error {
		if got != want {
			return fmt.Errorf("%s", got)
		}
		return nil
	}
	if d, err := time.ParseDuration(word); err == nil {
		g.now = g.now.Add(d)
		return nil
	}
	switch {
	case word[0] == '[':
		g.list(strings.Split(strings.Trim(word, "[]"), ",")...)
		return nil
	case strings.HasPrefix(word, "use="):
		return expect("use="+g.name(g.use), word)
	case strings.HasPrefix(word, "held="):
		return expect("held="+strings.Join(g.held(), ","), word)
	}
	a, op, rest := word[:1], word[1], word[2:]
	q := g.requests[a]
	switch op {
	case '=', ':':
		q = g.begin(op == '=')
		g.requests[a] = q
		return expect(g.name(q.v), rest)
	case '@':
		have, want, _ := strings.Cut(rest, ":")
		v, by, _ := g.another(g.versions[have], g.now)
		g.requests[a] = &rigged{v: v, left: g.policy.moment, probe: by}
		return expect(g.name(v), want)
	case '+':
		g.accept(q)
	case '!':
		g.end(q)
	case '?':
		g.forget(q)
	case '>', '~':
		g.again(q, op == '~')
		got := g.name(q.v)
		if op == '>' && g.asked && q.v != nil {
			got = ">" + got
		}
		return expect(got, rest)
	default:
		return fmt.Errorf("no such word")
	}
	return nil
}

// The words of a script say what they are to say.
func TestPolicyScript(t *testing.T) {
	for _, script := range []string{"a=v1", "a=v2 a>-", "a=v2 use=v1", "held=v2", "a=v2 a>v1 a>v2", "a=v2 a>>v1", "a*"} {
		g, failed := newRig(false, "v2", "v1"), false
		for _, word := range strings.Fields(script) {
			failed = failed || g.word(word) != nil
		}
		if !failed {
			t.Errorf("%s: passes", script)
		}
	}
	if g := newRig(false, "v2", "v1"); !slices.Equal(g.held(), nil) {
		t.Errorf("%q are held", g.held())
	}
}
