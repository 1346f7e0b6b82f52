package ring

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
)

// What becomes of the versions of a source, one history a row; see play for the words.
//
// F16, F18, F70, F71, F74, F90, F91, F102
func TestRosterRows(t *testing.T) {
	for _, row := range []struct{ name, script string }{
		// Sources that list versions.
		{"the newest is current", "[v2=b,v1=a] roles=v2:current,v1:previous said=switched:v2"},
		{"the same again", "[v2=b,v1=a] [v2=b,v1=a]= said=switched:v2"},
		{"a switch", "[v1=a] [v2=b,v1=a] roles=v2:current,v1:previous said=switched:v1,switched:v2"},
		{"a previous one is not listed any more", "[v2=b,v1=a] said=switched:v2 [v2=b] roles=v2:current said=overlap_ended:v1"},
		{"the current one is not", "[v2=b,v1=a] said=switched:v2 [v1=a] roles=v1:current said=revoked:v2,switched:v1"},
		{"a rollback", "[v1=a] [v2=b,v1=a] said=switched:v1,switched:v2 [v1=a,v2=b]= roles=v1:current,v2:previous said=rolled_back:v1"},
		{"a rename", "[v1=a] said=switched:v1 [v2=a] roles=v2:current said="},
		{"a rename to a name that another has", "[v2=b,v1=a] [v2=a,v1=b] roles=v2:current,v1:previous said=switched:v2,warning,warning,switched:v2"},

		// Sources that list one.
		{"the one before is remembered", "(v1=a) (v2=b) roles=v2:current,v1:previous"},
		{"for the overlap", "(v1=a) (v2=b) +v2 said=switched:v1,switched:v2 next=24h 23h roles=v2:current,v1:previous 1h roles=v2:current said=overlap_ended:v1"},
		{"from when its successor was accepted first, however often it is read or accepted", "(v1=a) (v2=b) 1h +v2 23h (v2=b)= +v2 roles=v2:current,v1:previous 1h roles=v2:current"},
		{"it comes back, and stays", "(v1=a) (v2=b) +v2 1h (v1=a)= +v1 23h roles=v1:current,v2:previous 1h roles=v1:current 48h roles=v1:current"},
		{"eight are remembered", "(v1=a) (v2=b) (v3=c) (v4=d) (v5=e) (v6=f) (v7=g) (v8=h) (v9=i) said=switched:v1,switched:v2,switched:v3,switched:v4,switched:v5,switched:v6,switched:v7,switched:v8,switched:v9 (v10=j) said=overlap_ended:v1,switched:v10"},
		{"what was accepted last is not the one forgotten", "(v1=a) +v1 (v2=b) (v3=c) (v4=d) (v5=e) (v6=f) (v7=g) (v8=h) (v9=i) (v10=j) (v11=k) roles=v11:current,v10:previous,v9:previous,v8:previous,v7:previous,v6:previous,v5:previous,v4:previous,v1:previous"},
		{"a name for two contents", "(v1=a) (v1=b) roles=v1#2:current,v1:previous said=switched:v1,warning,switched:v1#2"},

		// Dates.
		{"pending", "[v2=b+1h,v1=a] roles=v2:pending,v1:current next=1h said=switched:v1 1h roles=v2:current,v1:previous said=switched:v2"},
		{"pending, and nothing else", "[v1=a+1h] roles=v1:pending said="},
		{"expired", "[v2=b-1h,v1=a] said=switched:v2,expiring:v2 1h roles=v2:retired,v1:current said=overlap_ended:v2,switched:v1,degraded:v2"},
		{"the last has expired", "[v1=a-1h] said=switched:v1,expiring:v1 1h roles=v1:retired said=overlap_ended:v1,no_key:v1"},
		{"the end is put off", "[v1=a-1h] 30m [v1=a-2h]= 30m roles=v1:current"},
		{"a previous one expires", "(v1=a-1h) (v2=b) said=switched:v1,expiring:v1,switched:v2 next=1h 1h roles=v2:current said=overlap_ended:v1"},

		// Asking for a successor.
		{"a minute ahead, every five seconds", "[v1=a-1h] next=59m 58m next=1m 1m next=5s? 1s next=4s 4s next=5s? 55s next="},
		{"not for a previous one", "[v2=b,v1=a-1h] next=1h 59m next=1m"},

		// Revoked here.
		{"the current one", "[v2=b,v1=a] said=switched:v2 -v2 roles=v2:retired,v1:current said=revoked:v2,switched:v1"},
		{"the only one", "[v1=a] -v1 roles=v1:retired said=switched:v1,revoked:v1,no_key:v1"},
		{"for good", "[v1=a] -v1 [v2=b] [v1=a,v2=b] roles=v1:retired,v2:current"},
		{"under another name, too", "[v1=a] -v1 [v2=b] [v3=a,v2=b] roles=v3:retired,v2:current"},
		{"it is forgotten once another comes", "(v1=a) -v1 (v2=b) roles=v2:current"},

		// Revoked by the source.
		{"one that it lists", "[v2=b,v1=a;v1] roles=v2:current,v1:retired said=revoked:v1,switched:v2"},
		{"the current one", "[v2=b,v1=a] [v2=b,v1=a;v2] roles=v2:retired,v1:current"},
		{"one that it does not list", "(v1=a) (v2=b) (v2=b;v1) roles=v2:current,v1:retired"},
		{"and nothing else", "[v2=b,v1=a] [;v2] roles=v2:retired,v1:current"},
		{"without a successor", "[v1=a] [v1=a;v1] roles=v1:retired"},
		{"by the name that it has now", "[v2=b,v1=a] [v1=b,v2=a;v2] roles=v1:current,v2:retired"},

		// What is refused, and changes nothing.
		{"nothing", "[v1=a] []! ()! roles=v1:current said=switched:v1"},
		{"a key without a secret", "[v1=a] [v2=]! roles=v1:current"},
		{"a name twice", "[v1=a] [v2=b,v2=c]! roles=v1:current"},
		{"an unusable one in place of a good one", "(v1=a) (v2=b?)! roles=v1:current said=switched:v1"},
		{"an unusable one ahead of a good one", "[v1=a] [v2=b?,v1=a] roles=v2:,v1:current said=switched:v1,warning,degraded:v2"},
		{"unusable ones only", "[v1=a] [v2=b?]! roles=v1:current said=switched:v1,warning"},
		{"an expired one in place of a good one", "(v1=a) (v2=b-0s)! roles=v1:current"},
		{"none that can be used", "[v1=a] [v2=b-0s]! [v2=b+1h]! roles=v1:current"},
		{"but where the current one is revoked", "[v1=a] [v2=b+1h;v1] roles=v2:pending"},
		{"but where it has expired", "[v1=a-1h] 1h [v2=b-0s] roles=v2:retired"},
		{"an expired one at the start", "[v1=a-0s]! [v1=a;v1]! roles="},

		// Rollbacks are followed, but where they are not to be: see TestRosterWithoutRollback.
		{"an older one by its date", "[v2=b@-1h] [v1=a@-2h] roles=v1:current"},
	} {
		t.Run(row.name, func(t *testing.T) { newRosterRig().play(t, row.script) })
	}
}

// Told not to follow a rollback, the ring keeps the newer key.
//
// F18, F90
func TestRosterWithoutRollback(t *testing.T) {
	for _, row := range []struct{ name, script string }{
		{"it was current, and is there", "[v1=a] [v2=b,v1=a] [v1=a,v2=b]! roles=v2:current,v1:previous"},
		{"it was current, and is gone", "[v1=a] [v2=b] [v1=a]! roles=v2:current"},
		{"it was, under another name", "[v1=a] [v2=b] [v3=a,v2=b]! roles=v2:current"},
		{"it is older by its date", "[v2=b@-1h] [v1=a@-2h]! roles=v2:current"},
		{"without a name its date says nothing", "(=b@-1h) (=a@-2h)"},
		{"without a date", "[v2=b@-1h] [v1=a] roles=v1:current"},
		{"a newer one", "[v1=a@-2h] [v2=b@-1h] roles=v2:current"},
		{"a previous one that was never current", "[v2=b,v1=a] [v1=a] roles=v1:current"},
		{"it was never current, and is gone", "[v2=b,v1=a] [v2=b] [v1=a]! roles=v2:current"},
		{"after the current one has expired", "[v1=a] [v2=b-1h,v1=a] 1h roles=v2:retired,v1:current [v1=a] roles=v1:current"},
	} {
		t.Run(row.name, func(t *testing.T) {
			g := newRosterRig()
			g.noRollback = true
			g.play(t, row.script)
		})
	}
}

// An error says which version is at fault, by the name that the source has for it.
func TestRosterErrors(t *testing.T) {
	for _, row := range []struct {
		name, script, set string
		noRollback        bool
		is                error
		says              string
	}{
		{name: "empty", set: "", is: source.ErrNoKey},
		{name: "no secret", set: "v1=", is: source.ErrInvalid, says: "without a secret"},
		{name: "twice", set: "v1=a,v1=b", is: source.ErrInvalid, says: "listed twice"},
		{name: "unusable", set: "v1=a?", is: source.ErrUnusable, says: `version "v1"`},
		{name: "unusable, without a name", set: "=a?", is: source.ErrUnusable},
		{name: "expired", set: "v1=a-0s", is: source.ErrNoKey, says: "has expired or is revoked"},
		{name: "none now", script: "[v1=a]", set: "v2=b+1h", is: source.ErrNoKey, says: "can be used now"},
		{name: "rollback", script: "[v1=a] [v2=b]", set: "v1=a", noRollback: true, is: ErrRollback, says: `from version "v2" to "v1"`},
	} {
		t.Run(row.name, func(t *testing.T) {
			g := newRosterRig()
			g.noRollback = row.noRollback
			g.play(t, row.script)
			set, unusable, err := g.set(row.set)
			if err != nil {
				t.Fatal(err)
			}
			set.Complete = true
			if _, err := g.take(set, unusable); !errors.Is(err, row.is) || !strings.Contains(err.Error(), row.says) {
				t.Errorf("%v", err)
			}
		})
	}
	if _, err := newRosterRig().roster.revoke("v1", time.Time{}); !errors.Is(err, source.ErrNoKey) {
		t.Errorf("revoked: %v", err)
	}
}

// Of a version that is out of use its name and its counters are left. Of many the latest are
// kept, and those with requests in flight.
//
// F102, F171
func TestRosterRetires(t *testing.T) {
	g := newRosterRig()
	for i, name := range strings.Split("abcdefghijk", "") {
		if i == 1 {
			g.list[0].counters.shards[0].sent.Add(3)
		}
		g.play(t, "["+name+"="+name+"] 1s")
	}
	if len(g.retired) != maxRetired || g.retired[0].label != "j" || g.retired[6].label != "d" || g.retired[7].label != "a" || g.retired[0].status.Role != RoleRetired {
		t.Errorf("%+v", g.retired)
	}
	g = newRosterRig()
	g.play(t, "[v1=a]")
	g.list[0].counters.shards[0].sent.Add(3)
	g.play(t, "1h [v2=b]")
	if vs := g.retired[0].status; vs.Requests != 3 || vs.State != StateUnknown || !vs.LastUsed.Equal(g.now) || !vs.Since.Equal(g.now) {
		t.Errorf("%+v", vs)
	}
}

// A version that goes out of use while schemes look at what is new, and is listed, is
// that version again.
//
// F71
func TestRosterTakesBack(t *testing.T) {
	g := newRosterRig()
	g.play(t, "(v1=a) (v2=b) +v2")
	old := g.list[1]
	set, _, _ := g.set("v3=c,v1=a")
	of, err := g.offer(set, g.now)
	if err != nil {
		t.Fatal(err)
	}
	g.play(t, "24h roles=v2:current")
	if _, err := g.admit(of, g.now); err != nil {
		t.Fatal(err)
	}
	g.arrange()
	g.play(t, "+v3 roles=v3:current,v1:previous,v2:previous 48h roles=v3:current,v1:previous")
	if g.list[1] != old || slices.ContainsFunc(g.retired, func(r retired) bool { return r.label == "v1" }) {
		t.Errorf("%+v", g.retired)
	}
}

// A restart goes on where the ring was.
//
// F16, F91, F102
func TestRosterIsRestored(t *testing.T) {
	restart := func(g *rosterRig, after time.Duration) *rosterRig {
		saved, c := g.save(nil), newRosterRig()
		c.now, c.digests.salt = g.now.Add(after), []byte("sentinel-tlas")
		c.list, _ = c.restore(&saved, c.now)
		c.arrange()
		return c
	}
	for _, row := range []struct{ name, before, after string }{
		{"one at a time", "(v1=a) 1h (v2=b) +v2", "roles=v2:current,v1:previous 23h roles=v2:current,v1:previous +v2 roles=v2:current"},
		{"one at a time, of which the last was not accepted", "(v1=a) +v1 (v2=b)", "(v2=b)= !v2 48h roles=v2:current,v1:previous said=switched:v2,fell_back:v1,degraded:v1"},
		{"versions", "[v2=b,v1=a]", "roles=v2:current,v1:previous 48h roles=v2:current,v1:previous"},
		{"pending", "[v2=b+2h,v1=a]", "roles=v2:pending,v1:current 1h roles=v2:current,v1:previous"},
		{"a name with a number", "(v1=a) (v1=b)", "roles=v1#2:current,v1:previous (v1=b)= (v1=c) roles=v1#3:current,v1#2:previous,v1:previous"},
		{"not what is revoked", "[v2=b,v1=a] -v2", "roles=v1:current [v2=b,v1=a] roles=v2:retired,v1:current"},
		{"not what cannot be used", "[v2=b?,v1=a]", "roles=v1:current"},
		{"not what has expired", "[v2=b-1h,v1=a] 1h", "roles=v1:current"},
		{"what was current was", "[v1=a] [v2=b,v1=a]", "said=switched:v2 [v1=a,v2=b]= said=rolled_back:v1"},
	} {
		t.Run(row.name, func(t *testing.T) {
			g := newRosterRig()
			g.play(t, row.before)
			restart(g, time.Hour).play(t, row.after)
		})
	}
	g := newRosterRig()
	g.play(t, "(=a@-1h)")
	if c := restart(g, 0); !c.named.Equal(g.named) {
		t.Errorf("named up to %v, not %v", c.named, g.named)
	}
	saved := g.save(nil)
	saved.Salt = nil
	c := newRosterRig()
	if list, _ := c.restore(&saved, c.now); len(list) != 1 || string(c.digests.salt) != "sentinel-salt" {
		t.Error("the salt of another hand")
	}
	saved.Keys = append(saved.Keys, saved.Keys[0], savedKey{})
	c = newRosterRig()
	if list, _ := c.restore(&saved, c.now); len(list) != 1 {
		t.Error("a key twice, or none")
	}
}

// The words of a script say what they are to say.
func TestRosterScript(t *testing.T) {
	for _, script := range []string{"[v1=a] +v2", "[v1=a] why=stale:", "[v1=a]=", "[v1=a]!", "[]", "[v1=a] roles=v1:previous", "[v1=a] said=", "[v1=a] next=1h", "-v1", "[v1=a] -v1 -v1", "v1", "[v1=a-x]"} {
		g, failed := newRosterRig(), false
		for _, word := range strings.Fields(script) {
			failed = failed || g.word(word) != nil
		}
		if !failed {
			t.Errorf("%s: passes", script)
		}
	}
}
