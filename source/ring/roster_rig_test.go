package ring

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
)

// rosterRig drives a roster, a policy and a ledger as the ring does, without a ring: time
// passes when the test says so.
type rosterRig struct {
	roster
	policy policy
	health health
	ledger ledger
	watch  error // why nothing notifies
	now    time.Time

	change   func(*source.Set) // to every set
	outdated error             // why requests fail although there are keys
}

func newRosterRig() *rosterRig {
	return &rosterRig{
		roster: roster{overlap: 24 * time.Hour, expiring: 24 * time.Hour, digests: digests{salt: []byte("sentinel-salt")}},
		policy: policy{jitter: func(int64) int64 { return 0 }},
		now:    time.Unix(1e9, 0),
	}
}

// arrange gives the versions their roles, and tells the policy.
func (g *rosterRig) arrange() {
	for again := true; again; again = g.due(g.now) {
		g.assign(g.now)
		g.policy.set(g.roster.list, g.live)
	}
}

// tell has the ledger say what is degraded, and returns when to look again.
func (g *rosterRig) tell() (next time.Time) {
	p := &g.policy
	s := &snapshot{use: p.use, current: p.current(), refused: p.allHeld(), locked: p.locked(), err: g.outdated}
	if s.current == nil {
		s.err = g.noneLeft()
	} else {
		g.ledger.last = s.current.label()
	}
	g.health.check(g.now)
	g.ledger.alarmed = s.refused
	list, next := degraded(&facts{now: g.now, snap: s, roster: &g.roster, health: &g.health, ledger: &g.ledger, watch: g.watch})
	g.events = append(g.events, g.ledger.update(list, g.now)...)
	return earlier(next, g.ledger.next(g.now), g.now)
}

// set reads "v2=b,v1=a;v0": two keys, of which the source revokes v0. A key is its
// version and its content, and then, in any order, when it may be used (+1h: in an hour),
// when it expires (-1h), when it was made (@-1h: an hour ago), when it was replaced, if the
// source has a history (<-1h: an hour ago), and ? if its scheme cannot use it.
func (g *rosterRig) set(text string) (set source.Set, unusable []string, err error) {
	keys, revoked, _ := strings.Cut(text, ";")
	if revoked != "" {
		set.Revoked = strings.Split(revoked, ",")
	}
	if keys == "" {
		return set, nil, nil
	}
	for _, word := range strings.Split(keys, ",") {
		version, rest, _ := strings.Cut(word, "=")
		end := strings.IndexAny(rest, "+-@<?")
		if end < 0 {
			end = len(rest)
		}
		key := source.Key{Version: version, Secret: source.NewSecret("sentinel-" + rest[:end])}
		if end == 0 {
			key.Secret = source.Secret{}
		}
		for mods := rest[end:]; mods != ""; {
			n := 1
			for n < len(mods) && (!strings.ContainsRune("+-@<?", rune(mods[n])) || strings.ContainsRune("@<", rune(mods[0])) && n == 1) {
				n++
			}
			d, bad := time.ParseDuration(mods[1:n])
			switch mods[0] {
			case '+':
				key.NotBefore = g.now.Add(d)
			case '-':
				key.ExpiresAt = g.now.Add(d)
			case '@':
				key.CreatedAt = g.now.Add(d)
			case '<':
				key.ReplacedAt = g.now.Add(d)
			case '?':
				unusable, bad = append(unusable, key.Secret.Expose()), nil
			}
			if bad != nil {
				return set, nil, bad
			}
			mods = mods[n:]
		}
		set.Keys = append(set.Keys, key)
	}
	return set, unusable, nil
}

// take has the roster take a set.
func (g *rosterRig) take(set source.Set, unusable []string) (news bool, err error) {
	of, err := g.offer(set, g.now)
	if err != nil {
		return false, err
	}
	for _, v := range of.list {
		if slices.Contains(unusable, v.key.Load().Secret.Expose()) {
			v.unusable = source.ErrUnusable
		}
	}
	if news, err = g.admit(of, g.now); err == nil {
		g.arrange()
	}
	return news, err
}

// play plays a script, whose words are:
//
//	[v2=b,v1=a]   the source lists these: see set
//	(v2=b)        it lists this, and may have had others
//	[v2=b]=       that is no news
//	[v2=b]!       that is refused
//	-v1           v1 is revoked here
//	+v2           the server accepts v2
//	!v2           the server refuses v2
//	sent:v2       a request is sent with v2
//	1h            time passes
//	roles=v2:current,v1:previous
//	said=switched:v2,overlap_ended:v1   since it was last asked
//	why=stale:the_keys;expiring:   what is degraded now, and, without spaces, the beginning of each reason
//	next=30m      time alone does something then; without a time, never; with ?, a successor is asked for
func (g *rosterRig) play(t *testing.T, script string) {
	t.Helper()
	for i, word := range strings.Fields(script) {
		if err := g.word(word); err != nil {
			t.Fatalf("%s, at word %d: %q: %v", script, i+1, word, err)
		}
	}
}

func (g *rosterRig) word(word string) error {
	defer func() { g.tell() }()
	expect := func(got string) error {
		if got != word {
			return errors.New(got)
		}
		return nil
	}
	if d, err := time.ParseDuration(word); err == nil {
		if g.now = g.now.Add(d); g.due(g.now) {
			g.arrange()
		}
		return nil
	}
	switch {
	case word[0] == '[', word[0] == '(':
		end := strings.IndexAny(word, "])")
		set, unusable, err := g.set(word[1:end])
		if err != nil {
			return err
		}
		if set.Complete = word[0] == '['; g.change != nil {
			g.change(&set)
		}
		news, err := g.take(set, unusable)
		if how := word[end+1:]; (err != nil) != (how == "!") || err == nil && news != (how == "") {
			return fmt.Errorf("news: %t, error: %w", news, err)
		}
	case word[0] == '-':
		news, err := g.roster.revoke(word[1:], g.now)
		if err != nil || !news {
			return fmt.Errorf("news: %t, error: %w", news, err)
		}
		g.arrange()
	case word[0] == '+', word[0] == '!', strings.HasPrefix(word, "sent:"):
		name := strings.TrimPrefix(strings.TrimLeft(word, "+!"), "sent:")
		i := slices.IndexFunc(g.roster.list, func(v *version) bool { return v.label() == name })
		if i < 0 {
			return errors.New("no such version")
		}
		v := g.roster.list[i]
		v.counters.shards[0].sent.Add(1)
		switch word[0] {
		case '+':
			v.counters.shards[0].accepted.Add(1)
			g.policy.accepted(v, g.policy.moment, nil, &past{}, g.now)
		case '!':
			g.policy.hold(v, g.now)
			g.policy.choose()
		}
		if g.due(g.now) {
			g.arrange()
		}
	case strings.HasPrefix(word, "why="):
		var whys []string
		for _, d := range g.ledger.status() {
			reason := strings.ReplaceAll(d.Reason, " ", "_")
			for _, want := range strings.Split(word[len("why="):], ";") {
				if text, ok := strings.CutPrefix(want, string(d.Kind)+":"); ok && strings.HasPrefix(reason, text) {
					reason = text
				}
			}
			whys = append(whys, string(d.Kind)+":"+reason)
		}
		return expect("why=" + strings.Join(whys, ";"))
	case strings.HasPrefix(word, "roles="):
		var roles []string
		for _, v := range g.list {
			roles = append(roles, v.label()+":"+string(v.role))
		}
		return expect("roles=" + strings.Join(roles, ","))
	case strings.HasPrefix(word, "said="):
		var said []string
		for _, e := range g.drain() {
			said = append(said, strings.TrimSuffix(string(e.Kind)+":"+e.Version, ":"))
		}
		return expect("said=" + strings.Join(said, ","))
	case strings.HasPrefix(word, "next="):
		at, ask := g.next(g.now)
		text, asks := strings.CutSuffix(word[len("next="):], "?")
		want, err := time.ParseDuration(cmp.Or(text, "0"))
		if err != nil {
			return err
		}
		if in := at.Sub(g.now); ask != asks || want == 0 && !at.IsZero() || want != 0 && in != want {
			return fmt.Errorf("next in %v, asks %t", in, ask)
		}
	default:
		return errors.New("no such word")
	}
	return nil
}
