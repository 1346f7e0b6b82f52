package ring

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

var historySteps = flag.Int("history", 4, "requests in each history of TestPolicyFindsTheGoodKey")

// After every history of a few requests, each at a server that takes v2, v1, both or
// neither, and each after one of three pauses, the key that the server takes from then
// on is found: within three of the longest hold-offs, at a request a second, and all
// requests after that are served. Be it that requests can be sent again or not, and
// that bad keys lock out or do not.
//
// F58, F60, F68, F122
func TestPolicyFindsTheGoodKey(t *testing.T) {
	for _, lockout := range []bool{false, true} {
		for _, repeatable := range []bool{true, false} {
			all, failed := 0, 0
			newRig(lockout, "v2", "v1").histories(repeatable, nil, func(g *rig, story []chapter) {
				for _, good := range []string{"v2", "v1"} {
					all++
					if after, again := g.copy().finds(repeatable, good); after < 0 || !again {
						if failed++; failed < 4 {
							t.Errorf("lockout %t, repeatable %t, %s is good: found after %v, served from then on %t\n%v",
								lockout, repeatable, good, after, again, story)
						}
					}
				}
			})
			if failed > 0 {
				t.Errorf("lockout %t, repeatable %t: %d of %d histories", lockout, repeatable, failed, all)
			}
		}
	}
}

// chapter is one request of a history: after a pause, at a server that takes some keys.
type chapter struct {
	pause  time.Duration
	server string
	sent   []string
	served bool
}

func (c chapter) String() string {
	return fmt.Sprintf("\n%v {%s}: %q, %t", c.pause, c.server, c.sent, c.served)
}

// histories calls each after every history that goes on from g and story.
func (g *rig) histories(repeatable bool, story []chapter, each func(*rig, []chapter)) {
	if len(story) == *historySteps {
		each(g, story)
		return
	}
	for _, server := range []string{"v2", "v1", "v2,v1", ""} {
		for _, pause := range []time.Duration{0, 1200 * time.Millisecond, 61 * time.Second} {
			next, c := g.copy(), chapter{pause: pause, server: server}
			next.now = next.now.Add(pause)
			c.sent, c.served = next.serve(repeatable, func(name string) bool { return strings.Contains(server, name) })
			next.histories(repeatable, append(story[:len(story):len(story)], c), each)
		}
	}
}

// finds sends a request a second to a server that takes good, and returns when the
// first was served, negative for never, and whether those after it were served, too.
func (g *rig) finds(repeatable bool, good string) (after time.Duration, again bool) {
	takes := func(name string) bool { return name == good }
	for ; after <= 3*maxHoldOff; after += time.Second {
		if _, served := g.serve(repeatable, takes); served {
			for range 3 {
				g.now = g.now.Add(time.Second)
				if _, served := g.serve(repeatable, takes); !served {
					return after, false
				}
			}
			return after, true
		}
		g.now = g.now.Add(time.Second)
	}
	return -1, false
}

// copy returns a rig in the same state, with nothing out.
func (g *rig) copy() *rig {
	c := *g
	moved := make(map[*version]*version)
	c.versions = make(map[string]*version)
	for name, v := range g.versions {
		o := &version{given: name, counters: v.counters, standing: v.standing}
		moved[v], c.versions[name] = o, o
	}
	c.live = slices.Clone(g.live)
	for i, v := range c.live {
		c.live[i] = moved[v]
	}
	c.policy.list, c.use, c.good, c.newlyHeld, c.probing = c.live, moved[g.use], moved[g.good], nil, nil
	return &c
}

// The source lists two keys throughout; the server takes the old one, then the new,
// and is rolled back to the old. One request a minute for a day: all but the first few
// are served.
//
// F122
func TestPolicyAfterARollbackAtTheServer(t *testing.T) {
	for _, lockout := range []bool{false, true} {
		for _, repeatable := range []bool{true, false} {
			g, failed := newRig(lockout, "v2", "v1"), 0
			for i := range 24 * 60 {
				good := "v1"
				if i >= 10 && i < 20 {
					good = "v2"
				}
				if _, served := g.serve(repeatable, func(name string) bool { return name == good }); !served {
					failed++
				}
				g.now = g.now.Add(time.Minute)
			}
			if failed > 6 {
				t.Errorf("lockout %t, repeatable %t: %d of 1440 requests failed", lockout, repeatable, failed)
			}
		}
	}
}

// One odd refusal of the old key while the new one is known to one replica of three:
// the old key goes on to serve.
//
// F168
func TestPolicyWithOneReplicaAhead(t *testing.T) {
	for _, lockout := range []bool{false, true} {
		g := newRig(lockout, "v2", "v1")
		replica, failed, odd := 0, 0, false
		for i := range 3600 {
			odd = i == 100
			if _, served := g.serve(true, func(name string) bool {
				replica++
				if name == "v1" && odd {
					odd = false
					return false
				}
				return name == "v1" || replica%3 == 0
			}); !served {
				failed++
			}
			g.now = g.now.Add(time.Second)
		}
		if failed > 3 && !lockout || failed > 200 {
			t.Errorf("lockout %t: %d of 3600 requests failed", lockout, failed)
		}
	}
}
