package ring

import (
	"strings"
	"testing"
	"time"
)

// What requests are sent with, one history a row. Rows named "lockout" are played where
// bad keys lock out, the others where they do not; see play for the words.
//
// F56, F58, F59, F60, F63, F64, F65, F68, F70, F71, F122, F123
func TestPolicyRows(t *testing.T) {
	for _, row := range []struct{ name, versions, script string }{
		// Falling back, holding off, probing (F60).
		{"a refused current key falls back, and is probed", "v2,v1",
			"a=v2 a>v1 a+ use=v1 held=v2 b=v1 b+ 1s c=v2 d=v1 d+ c>v1 c+ 1s e=v1 e+ 1s f=v2 f+ use=v2 held="},
		{"one request at a time probes", "v2,v1", "a=v2 a>v1 a+ 1s b=v2 c=v1 d=v1 30s c=v1 30s e=v2"},
		{"a probe is one that can be sent again", "v2,v1", "a=v2 a>v1 a+ 1s b:v1 b+ c=v2"},
		{"a probe that tells nothing costs the same pause again", "v2,v1", "a=v2 a>v1 a+ 1s b=v2 b? 900ms c=v1 c+ 100ms d=v2 d? 900ms e=v1 e+ 100ms f=v2"},
		{"the pause doubles", "v2,v1", "a=v2 a>v1 a+ 1s a=v2 a>v1 a+ 1900ms b=v1 100ms a=v2 a>v1 a+ 3900ms b=v1 100ms a=v2"},
		{"a key that flaps is held off for longer", "v2,v1", "a=v2 a>v1 a+ 1s a=v2 a>v1 a+ 2s a=v2 a+ 58s a=v2 a>v1 a+ 3900ms b=v1 100ms c=v2"},
		{"a key that did well begins anew", "v2,v1", "a=v2 a>v1 a+ 1s a=v2 a>v1 a+ 2s a=v2 a+ 61s a=v2 a>v1 a+ 900ms b=v1 100ms c=v2"},
		{"a key that is current again has a clean slate", "v2,v1", "a=v2 a>v1 a+ 1s a=v2 a>v1 a+ [v1,v2] [v2,v1] a=v2 a>v1 a+ 1s b=v2"},
		{"no second probe on a refusal of the other", "v2,v1", "a=v2 a>v1 a+ 1s s:v1 p=v2 s! b=v1 b+ p+ c=v2"},
		{"no second probe after another hold-off", "v3,v2,v1", "a=v3 a>v2 a+ 1200ms p=v3 a=v2 a>v3 a>v1 a+ 5s b=v1 b+ p? 1900ms c=v1 c+ 100ms d=v3"},
		{"a late probe says nothing of the next", "v2,v1", "a=v2 a>v1 a+ 1s l=v2 60s b=v2 b+ c=v2 c>v1 c+ 2s p=v2 l? 5s d=v1 d+ p+ e=v2"},
		{"the other is refused: the current is tried at once", "v2,v1", "a=v2 a>v1 a+ 1s a=v2 a>v1 a+ s:v1 s! b:v2"},
		// Two attempts are the rule, and what a third is for.
		{"two attempts of three keys", "v3,v2,v1", "a=v3 a>v2 a>- held=v3,v2 b=v1"},
		{"with every key held, each request is one attempt", "v2,v1", "a=v2 a>v1 a>- b=v2 b>- c=v2 c>- 1s d=v2 d>v1 d>-"},
		{"one request tries the other key", "v2,v1", "a=v2 a>v1 a>- 1s b=v2 c=v2 b>v1 c>- b+ d=v1"},
		{"what served last is the best guess", "v2,v1", "a=v2 a>v1 a+ s:v1 s! b=v2 b>v1 b>- c=v1"},
		{"a probe is refused while every key is: the one in use", "v3,v2,v1", "a=v3 a>v2 a+ s:v2 s! s:v1 s! use=v1 b=v3 b>v1"},
		{"the server was at the second and went to the third", "v3,v2,v1", "a=v3 a>v2 a+ b=v2 b>v3 b>v1 b+ use=v1"},
		{"the server went from the old key to the new one", "v1", "a=v1 a+ [v2,v1] b=v2 b>v1 b>v2 b+ use=v2 held=v1"},
		{"the server moves on before the new key was used", "v3,v2,v1", "a=v3 a>v2 a+ b=v2 b>v3 [v4] b>v4 b+"},
		{"the source is two ahead of the server", "v1", "a=v1 a+ [v2,v1] [v3,v2,v1] [v4,v3,v2,v1] b=v4 b>v3 b>v1 b+ use=v1 60s c=v4 c+"},
		{"lockout: the same", "v1", "a=v1 a+ [v2,v1] [v3,v2,v1] [v4,v3,v2,v1] b=v4 b>v3 b>v1 b+ use=v1 60s c=v4 c+"},
		{"falls back to what was accepted last", "v2,v1", "a=v2 a>v1 a+ 2s b=v2 b+ [v3,v1] a=v3 a>v1 a+ [v5,v4,v3,v1] c=v5 c>v4 c>v1"},
		{"falls back to what was accepted since", "v2,v1", "a=v2 f=v2 f>v1 f+ a>v1 2s b=v2 b+ a+ c=v2 c+ [v4,v3,v2] d=v4 d>v3 d>v2"},
		{"a newer key is not given up", "v3,v2,v1", "a=v3 a>v2 a+ b=v2 b>v3 b>v1 b+ c=v1 c! 1s d=v3 d>v1 d>>v2 d+ use=v2"},
		// What is late changes nothing (F59).
		{"a late refusal does not demote", "v1", "l=v1 [v2,v1] a=v2 a+ l>v2 l+ use=v2"},
		{"nor after a rollback", "v1", "l=v1 [v2,v1] [v1,v2] l>v2 l+ use=v1"},
		{"a late acceptance ends no refusal", "v2,v1", "l=v2 a=v2 a>v1 a+ l+ use=v1"},
		{"a late refusal of the only key", "v1", "a=v1 l=v1 a>- 2s b=v1 b+ l! held="},
		{"taken up a moment later", "v1", "l=v1 a=v1 a+ l>v1 l+ held="},
		{"and refused again: it is not sent a third time", "v1", "l=v1 a=v1 a+ l>v1 l>- held=v1"},
		{"taken up, and dropped", "v2,v1", "l=v2 a=v2 a+ [v1] l>v1 l>-"},
		{"two keys are refused at once", "v1", "a=v1 [v2,v1] b=v2 a>v2 b>v1 [v3,v2,v1] a>v3 b>v3"},
		// One odd refusal of the only good key costs nothing (F123).
		{"an odd refusal", "v1", "a=v1 a+ b=v1 b>v1 b+ held= use=v1"},
		{"two in a row count", "v1", "a=v1 a+ b=v1 b>v1 b>- held=v1"},
		{"and the next request is not sent twice", "v1", "a=v1 a+ b=v1 c=v1 b>v1 b>- c>-"},
		{"nor while the one before waits", "v1", "a=v1 a+ b=v1 c=v1 b>v1 [v1] b>- c>-"},
		{"a key that was never accepted is sent once", "v1", "a=v1 a>- held=v1"},
		{"the other key was rejected", "v2,v1", "a=v2 a>v1 a+ b=v1 b>v2 b+ c=v2 c>v2 c+ held=v1"},
		{"the fourth attempt is for a key that came since", "v3,v2,v1",
			"a=v3 a>v2 a>- b=v1 b>v3 b>- 2s c=v3 c+ d=v3 e=v3 d>v3 e>v3 d>v2 e>v1 e+ use=v1 d>-"},
		{"an ambiguous refusal is not sent with the same key", "v1", "a=v1 a+ b=v1 b~-"},
		{"while the server moves first, the new key comes as the third", "v1", "a=v1 a+ b=v1 b>v1 [v2,v1] b>v2 b+"},
		{"an odd refusal of the previous key, in use", "v2,v1", "a=v2 a>v1 a+ b=v1 b>v2 b>v1 b+ use=v1"},
		{"lockout: an odd refusal", "v1", "a=v1 a+ b=v1 b>v1 held=v1 c=- b+ held= d=v1"},
		{"lockout: two in a row count", "v1", "a=v1 a+ b=v1 b>v1 b>- c=- 19s d=- 1s e=v1"},
		{"lockout: of many requests, one is sent again", "v1", "a=v1 a+ b=v1 c=v1 b>v1 c>- b+ d=v1"},
		{"lockout: an order is not sent again, and the next request asks", "v1", "a=v1 a+ b:v1 b! c=v1 d=- c+ e=v1"},
		// A rejected key is the last to have its turn (F70, F122).
		{"not while another is accepted", "v2,v1", "a=v2 a>v1 a+ b=v1 b>v2 b+ 60s c=v2 c>v2 c+ d=v2 d+"},
		{"once the source was asked in vain", "v2,v1", "a=v2 a>v1 a+ b=v1 b>v2 b+ 60s c=v2 c>v2 c>>v1 c+ use=v1 held=v2"},
		{"once a pause", "v2,v1", "a=v2 a>v1 a+ b=v1 b>v2 b+ 60s c=v2 c>v2 c>>v1 c>- 1900ms d=v2 d>- 100ms e=v2 e>>v1"},
		{"one in a request", "v3,v2,v1", "a=v3 a>v2 a+ b=v2 b>v3 b+ 60s c=v3 c>v1 c+ d=v1 d>v3 d+ 60s e=v3 e>v3 e>>v2 e>- f=v3 f>>v1 f>-"},
		{"not in place of a key that the source brings", "v2,v1", "a=v2 a>v1 a+ b=v1 b>v2 b+ 60s c=v2 c>v2 [v3,v2,v1] c>v3"},
		{"a newer key is not rejected for an older one", "v3,v2,v1", "a=v3 a>v2 a+ b=v2 b>v3 b>v1 b+ c=v1 c! [v3,v2] 2s d=v3 d>v2"},
		{"after an ambiguous refusal, too", "v2,v1", "a=v2 a>v1 a+ b=v1 b>v2 b+ 60s c=v2 c~v1 c~- d=v2 d~- 2s e=v2 e~v1 e+ use=v1"},
		{"lockout: after an ambiguous refusal, too", "v2,v1", "a=v2 a>v1 a+ b=v1 b>v2 b+ 60s c=v2 c~v1 c~- d=v2 d~- 40s e=v2 e~v1 e+ use=v1"},
		{"last: after one that is held only", "v3,v2,v1", "a=v3 a>v2 a+ b=v2 b>v3 b>v1 b+ c=v1 c>v3 c+ held=v2,v1 d=v3 d>v3 d>-"},
		{"where nothing can be sent again, too", "v2,v1", "a=v2 a>v1 a+ b=v1 b>v2 b+ 60s c:v2 c! d:v1 d+ use=v1"},
		{"lockout: in turn", "v2,v1", "a=v2 a>v1 a+ b=v1 b>v2 b+ 60s c=v2 c>v2 c>- d=- 40s e=v1 e+ use=v1"},
		{"lockout: it was held while the request waited", "v1", "a=v1 b=v1 a>- [v2,v1] b>v2 b+ 60s c=v2 c>v2 c>- 19s d=- 1s e=v1"},
		// Ambiguous refusals are no word of the key (F65).
		{"doubts: a few are free", "v2,v1", "a=v2 a~v1 a~- a=v2 a~v1 a~- a=v2 a~v1 a~- a=v2 a~v1 a~- a=v2 a~- held="},
		{"doubts: then they pause, and an acceptance ends that", "v2,v1",
			"a=v2 a~v1 a~- a=v2 a~v1 a~- a=v2 a~v1 a~- a=v2 a~v1 a~- 900ms b=v2 b~- 100ms c=v2 c~v1 c+ held=v2"},
		{"doubts: each key has its turn", "v3,v2,v1", "a=v3 a~v2 a~- b=v3 b~v1 b~- c=v3 c~v2"},
		{"doubts: a switch ends the pause", "v2,v1", "a=v2 a~v1 a~- a=v2 a~v1 a~- a=v2 a~v1 a~- a=v2 a~v1 a~- a=v2 a~- [v3,v2] b=v3 b~v2"},
		{"doubts: a probe is sent again in the pause, and a refusal then", "v2,v1",
			"a=v2 a~v1 a+ 900ms b=v1 b~v2 b~- b=v1 b~v2 b~- b=v1 b~v2 b~- b=v1 b~v2 b~- b=v1 b~- 100ms c=v2 c~v1 c+ 1900ms d=v1 100ms e=v2"},
		{"doubts: not sent with the first again", "v2,v1", "a=v2 a+ b=v2 b>v1 b~-"},
		// Within a pause nothing more is learnt (F64).
		{"an address that refuses every key marks one key once a pause", "v1", "a=v1 a>- held=v1 b=v1 b+ held= c:v1 c! held= 1s d:v1 d! held=v1"},
		{"lockout: a key that was good again within its pause", "v2,v1", "a=v2 a>v1 a+ b=v1 b>v2 b+ c=v2 c>v2 c>- held=v2,v1"},
		// Where bad keys lock out, each pause costs one.
		{"lockout: one probe each pause", "v2,v1", "a=v2 a>v1 a>- b=- 19900ms c=- 100ms d=v2 e=- d>- 20s f=- 20s g=v1 g>- 39s h=- 1s i=v2 i+ use=v2"},
		{"lockout: an order probes as well", "v1", "a=v1 a>- 20s b:v1 c:- b! 39s d=- 1s e:v1 e+ f:v1"},
		{"lockout: each key in its turn, though probes tell nothing", "v3,v2,v1", "a=v3 a>v2 a>- b=v1 b>v3 b>- 20s c=v3 c? 20s d=v2 d? 20s e=v1 e? 20s f=v3"},
		{"lockout: a probe that tells nothing pauses every key", "v2,v1", "a=v2 a>v1 a>- 20s b=v2 b? 19s c=- 1s d=v1"},
		{"lockout: the good key is asked about once more", "v2,v1", "a=v2 a+ b=v2 b>v1 b>- c=v2 c>- d=-"},
		{"lockout: and no other", "v2,v1", "a=v2 a>v1 a>- b=-"},
		{"lockout: an odd address does not send the held key again and again", "v2,v1",
			"a=v2 a>v1 a+ b=v1 b>v2 b>- c=v1 c+ d=v1 d>v1 d>- 20s"},
		{"lockout: of many, one goes on with the new key", "v2,v1", "a=v2 a>v1 a+ b=v1 c=v1 d=v1 b>v2 c>v1 d>-"},
		{"lockout: none does while every key is held", "v1", "a=v1 a+ b=v1 [v2,v1] c=v2 c+ d=v2 d>v1 d>- b>-"},
		{"lockout: a busy answer holds what was refused", "v2,v1", "a=v2 a>v1 a? held=v2"},
		{"without lockout it does not", "v2,v1", "a=v2 a>v1 a? held="},
		{"lockout: once a probe is accepted, another is sent", "v2,v1", "a=v2 a>v1 a>- 20s b=v2 b>- 40s c=v1 c+ d=v2 e=v1"},
		{"lockout: taken up a moment later", "v1", "l=v1 a=v1 a+ l>v1 held= l+"},
		{"lockout: the pause of one is that of all", "v2,v1", "a=v2 a>v1 a>- 20s b=v2 b>- 20s c=- 20s d=v1"},
	} {
		t.Run(row.name, func(t *testing.T) {
			newRig(strings.HasPrefix(row.name, "lockout"), strings.Split(row.versions, ",")...).play(t, row.script)
		})
	}
}

// Requests wait for the source once in vain, until a key is accepted, and with growing
// pauses; meanwhile there is a reading a second.
//
// F58, F61, F64
func TestPolicyAsks(t *testing.T) {
	g := newRig(false, "v1")
	ask := func(after time.Duration, want string) {
		t.Helper()
		g.now = g.now.Add(after)
		got := "no"
		if wait, ok := g.ask(g.now); ok {
			if got = "a reading"; wait {
				got = "a wait"
			}
			g.askedInVain(wait, g.now)
		}
		if got != want {
			t.Fatalf("%s, want %s", got, want)
		}
	}
	accept := func() { g.accept(g.begin(true)) }
	ask(0, "a wait")
	ask(999*time.Millisecond, "no")
	ask(time.Millisecond, "a reading") // the key that was waited for in vain is not waited for again
	ask(time.Second, "a reading")
	accept()
	ask(999*time.Millisecond, "no") // of 2 s
	ask(time.Millisecond, "a wait")
	accept()
	ask(time.Second, "a reading") // of 4 s
	ask(time.Second, "a reading")
	ask(2*time.Second, "a wait")
	g.list("v2", "v1")
	ask(8*time.Second, "a wait") // for another key
	accept()
	ask(77*time.Second, "a wait") // which was over for more than a minute
	accept()
	ask(time.Second, "a wait")
	if !g.mayRead(g.now.Add(time.Second)) || g.mayRead(g.now.Add(1999*time.Millisecond)) {
		t.Error("not one mayRead a second")
	}
}
