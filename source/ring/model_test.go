package ring_test

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// More checks than rapid's own default; the flag sets another number.
func init() { _ = flag.Set("rapid.checks", "300") }

// A ring that is driven at random, one request at a time, agrees with the model, and
// a request fails only if the server took none of the versions that it was sent
// with, and never while it takes the key that it took last.
func TestRingAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rapid.SyncTest(t, func(t *rapid.T) {
			w := newWorld(t)
			actions := w.actions()
			actions["request"] = func(*rapid.T) { w.request(w.pick("repeatable", 4) > 0) }
			actions["server first"] = func(*rapid.T) { w.serverFirst() }
			t.Repeat(actions)
			w.recovers()
		})
	})
}

// world is a ring with its source, its server, and the model, which learns what the
// source lists when the ring does.
type world struct {
	*rapid.T
	model
	ring  *ring.Ring
	wait  time.Duration   // for the source, on a refusal
	names int             // v1, v2, ...
	taken map[string]bool // by the server
	last  *entry          // what the server took last, and has ever since; nil if it went out of use

	mu    sync.Mutex
	set   source.Set
	err   error
	ok    bool // the model took the set
	reads int

	open   []*request // no more than four
	atWill bool       // what becomes of them is not the server's affair
}

func newWorld(t *rapid.T) *world {
	overlaps := []time.Duration{0, time.Minute, time.Hour}
	waits := []time.Duration{0, 0, time.Second, 3 * time.Second}
	w := &world{
		T: t, names: 1, taken: map[string]bool{"v1": true},
		model: model{overlap: rapid.SampledFrom(overlaps).Draw(t, "overlap"), revoked: map[string]bool{}, ever: map[string]*entry{}},
		wait:  rapid.SampledFrom(waits).Draw(t, "wait"),
		set:   source.Set{Keys: []source.Key{key("v1")}, Complete: rapid.Bool().Draw(t, "complete")},
	}
	w.retired = func(version string) bool {
		return slices.ContainsFunc(w.ring.Status().Versions, func(v ring.VersionStatus) bool { return v.Version == version })
	}
	r, err := ring.Keep(t.Context(), w, ring.WithLogger(nil), ring.WithOverlap(w.overlap), ring.WithRefusalWait(w.wait),
		ring.WithPoll(time.Hour), ring.WithStaleAfter(1000*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	w.ring = r
	return w
}

// Read is the source's.
func (w *world) Read(context.Context) (source.Set, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reads++
	if w.err != nil {
		return source.Set{}, w.err
	}
	w.ok = w.put(w.set, time.Now())
	return w.set, nil
}

// tick begins a step. The lock tells the race detector that the readings of the
// source, in the time to come, are after what was done before.
func (w *world) tick() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.step++
}

// settled waits until the ring has done what it does now, and has the model do it.
func (w *world) settled() {
	synctest.Wait()
	w.turn(time.Now())
	if w.last != nil && !w.live(w.last) {
		w.last = nil
	}
	if c := w.current; c != nil && w.inUse != (w.ring.Version() == c.name()) {
		w.inUse, w.turned, c.hold = !w.inUse, w.step, holdOff{over: w.at.Add(66 * time.Second)}
	}
	if wrong := w.observe(w.ring.Status()); wrong != "" {
		w.Fatal(wrong)
	}
	if w.last != nil && !w.live(w.last) {
		w.last = nil
	}
}

// sleep lets time pass, and looks whenever that changes which versions are live: the
// current version may come into use and go out of it meanwhile.
func (w *world) sleep(d time.Duration) {
	for end, now := time.Now().Add(d), time.Now(); now.Before(end); now = time.Now() {
		next := end
		w.mu.Lock() // see tick
		for _, e := range w.model.list {
			for _, t := range []time.Time{e.key.NotBefore, w.until(e)} {
				if t = t.Add(2 * time.Millisecond); t.After(now) && t.Before(next) { // the ring is late by 1 ms at most
					next = t
				}
			}
		}
		w.mu.Unlock()
		time.Sleep(next.Sub(now))
		w.settled()
	}
}

func (w *world) pick(what string, n int) int { return rapid.IntRange(0, n-1).Draw(w.T, what) }

// request sends one request as a transport does, and returns it once it is served,
// or refused; nil if there is no key.
func (w *world) request(repeatable bool) *request {
	q := w.begin(repeatable)
	for open := q != nil; open; {
		e := q.last().entry
		switch {
		case w.taken[e.name()]:
			c := w.current
			w.accept(q)
			if v := w.ring.Version(); v != e.name() && c == w.current && !w.atWill {
				w.Fatalf("%s served, and %s is in use", e.name(), v)
			}
			q.served, w.last = e, e
			return q
		case !repeatable:
			w.refuse(q)
			return q
		default:
			open = w.next(q, false)
		}
	}
	if q != nil && w.last != nil {
		w.Fatalf("gave up after %q, although the server takes %q", q.sent(), w.last.name())
	}
	return q
}

// recovers: once the server takes the current key and nothing else, the ring is
// back at it within the longest hold-off and one request.
func (w *world) recovers() {
	w.tick()
	w.sleep(67 * time.Second)
	c := w.current
	if c == nil {
		return
	}
	w.taken, w.last = map[string]bool{c.name(): true}, nil
	if q := w.request(true); q.served != c {
		w.Fatalf("%s did not serve, sent with %q", c.name(), q.sent())
	}
	w.check()
}

// serverFirst: the server goes over to a key that the source has a moment later.
//
// F61
func (w *world) serverFirst() {
	w.recovers() // nothing was asked for in vain a moment ago
	c := w.current
	if c == nil {
		return
	}
	w.names++
	v := fmt.Sprintf("v%d", w.names)
	w.taken, w.last = map[string]bool{v: true}, nil
	quarters := w.pick("quarters of the wait", 4)
	time.AfterFunc(w.wait*time.Duration(quarters)/4, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.set = w.first(key(v))
	})
	synctest.Wait()
	// If the source comes up with others first, that may take all the time or attempts.
	if q := w.request(true); q.last().name() != v && len(q.trials) < 4 && (w.current == c || w.find(v) != nil) {
		w.Fatalf("sent with %q, the source had %s in time", q.sent(), v)
	}
}

// actions are what happens at the source, at the server, and to the time.
func (w *world) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"": func(*rapid.T) { w.check() },
		"rotate": func(*rapid.T) {
			w.names++
			v := fmt.Sprintf("v%d", w.names)
			w.taken[v] = w.pick("taken", 3) > 0
			w.lists(w.dated(v))
		},
		"roll back": func(*rapid.T) {
			v := fmt.Sprintf("v%d", 1+w.pick("version", w.names))
			if w.current != nil && w.pick("any", 4) > 0 { // else one that may be long gone
				v = w.model.list[w.pick("version in the list", len(w.model.list))].name()
			}
			w.lists(w.dated(v))
		},
		"source": func(*rapid.T) {
			switch n := len(w.set.Keys); rapid.SampledFrom([]string{"same", "fails", "drops", "revokes"}).Draw(w.T, "what") {
			case "same":
				w.refresh()
			case "fails":
				w.err = source.ErrUnavailable
				if w.ring.Refresh(w.Context()) == nil {
					w.Fatal("a failed reading is no error")
				}
				w.settled()
				w.err = nil
			case "drops":
				if i := w.pick("dropped", n); n > 1 {
					w.set.Keys = append(slices.Clone(w.set.Keys[:i]), w.set.Keys[i+1:]...)
					w.refresh()
				}
			case "revokes":
				w.set.Revoked = append(slices.Clone(w.set.Revoked), fmt.Sprintf("v%d", 1+w.pick("revoked", w.names)))
				w.refresh()
			}
		},
		"revoke": func(*rapid.T) {
			if n := len(w.model.list); n > 1 {
				v := w.model.list[w.pick("revoked", n)].name()
				w.tick()
				w.revoked[v] = true
				if err := w.ring.Revoke(v); err != nil {
					w.Fatal(err)
				}
			}
		},
		"server": func(*rapid.T) {
			if n := len(w.model.list); n > 0 {
				v := w.model.list[w.pick("version", n)].name()
				w.server(v, !w.taken[v])
			}
		},
		"wait": func(*rapid.T) {
			units := []time.Duration{time.Millisecond, time.Millisecond, 60 * time.Millisecond, 4 * time.Second}
			d := time.Duration(w.pick("time", 2000)) * rapid.SampledFrom(units).Draw(w.T, "unit")
			w.tick()
			w.sleep(d)
		},
		"traffic": func(*rapid.T) {
			if c := w.current; c != nil && w.pick("heals", 2) > 0 {
				w.server(c.name(), true)
			}
			pause, repeatable := time.Duration(w.pick("pause", 1500))*time.Millisecond, w.pick("repeatable", 3) > 0
			began, reads := w.at, w.reads
			for range w.pick("requests", 20) {
				w.request(repeatable)
				w.tick()
				w.sleep(pause)
				w.check()
			}
			if n, most := w.reads-reads, 5+2*int(w.at.Sub(began)/time.Second); w.wait == 0 && n > most { // F58
				w.Fatalf("%d readings, want %d at most", n, most)
			}
		},
		"falls back": func(*rapid.T) {
			if c := w.current; c != nil {
				w.server(w.model.list[w.pick("to", len(w.model.list))].name(), true)
				w.server(c.name(), false)
				w.request(true)
			}
		},
		"recover": func(*rapid.T) { w.recovers() },
	}
}

// server has the server take a version from now on, or refuse it.
func (w *world) server(version string, takes bool) {
	w.taken[version] = takes
	if w.last != nil && w.last.name() == version {
		w.last = nil
	}
}

// dated makes a key that may lie in the future, or end soon.
func (w *world) dated(version string) source.Key {
	k, now := key(version), time.Now()
	if d := rapid.SampledFrom([]time.Duration{0, 0, 0, 30 * time.Second, 2 * time.Minute}).Draw(w.T, "not before"); d > 0 {
		k.NotBefore = now.Add(d)
	}
	if d := rapid.SampledFrom([]time.Duration{0, 0, 0, 0, 90 * time.Second, 5 * time.Minute}).Draw(w.T, "expires"); d > 0 {
		k.ExpiresAt = now.Add(d)
	}
	return k
}

// first returns the source's set with k at its head, up to four if it lists all.
func (w *world) first(k source.Key) source.Set {
	set := w.set
	set.Keys = []source.Key{k}
	for _, o := range w.set.Keys {
		if set.Complete && o.Version != k.Version && len(set.Keys) < 4 {
			set.Keys = append(set.Keys, o)
		}
	}
	return set
}

// lists has the source list k first.
func (w *world) lists(k source.Key) {
	w.set = w.first(k)
	w.refresh()
}

func (w *world) refresh() {
	w.tick()
	err := w.ring.Refresh(w.Context())
	w.settled()
	if (err == nil) != w.ok {
		w.Fatalf("refresh: %v, the model takes it: %t", err, w.ok)
	}
}

// check compares what the ring says of itself with the model.
func (w *world) check() {
	w.settled()
	st := w.ring.Status()
	var live []ring.VersionStatus
	var got, want []string
	tell := func(version string, role ring.Role, until time.Time) string {
		return fmt.Sprintf("%s %s until %v", version, role, until.UTC().Round(10*time.Millisecond)) // the ring is 1 ms late at most
	}
	var out uint64
	for _, v := range st.Versions {
		out += v.InFlight
		if v.Role != ring.RoleRetired {
			live = append(live, v)
			got = append(got, tell(v.Version, v.Role, v.Until))
		} else if v.SafeToRevoke != (v.InFlight == 0) {
			w.Fatalf("%s is retired: %+v", v.Version, v)
		}
	}
	var entries []*entry
	for _, e := range w.list {
		if role := w.role(e); role != ring.RoleRetired {
			entries = append(entries, e)
			want = append(want, tell(e.name(), role, w.until(e)))
		}
	}
	if !slices.Equal(got, want) {
		w.Fatalf("the ring has %q, want %q", got, want)
	}
	if out > uint64(len(w.open)) {
		w.Fatalf("%d requests are out, of %d: %+v", out, len(w.open), st.Versions)
	}
	use := w.find(w.ring.Version())
	c := w.current
	switch {
	case st.InUse != w.ring.Version():
		w.Fatalf("status says %q is in use, not %q", st.InUse, w.ring.Version())
	case c == nil:
		if use != nil || st.Current.Version != "" || st.Healthy {
			w.Fatalf("no key is usable: %+v", st)
		}
		return
	case st.Current.Version != c.name() || use == nil || !w.live(use):
		w.Fatalf("%q is current and %q in use, want %q", st.Current.Version, st.InUse, c.name())
	case !c.doubted && (use != c || w.ring.AllHeld()):
		w.Fatalf("%q is in use, all are held: %t; the current %q was not refused", st.InUse, w.ring.AllHeld(), c.name())
	}
	for i, e := range entries {
		v := live[i]
		if v.Requests != e.sent || v.Accepted != e.accepted || v.Refused != e.refused || v.InFlight != e.out || (v.State == ring.StateUnused) != (e.sent == 0) {
			w.Fatalf("%+v, want %+v", v, e)
		}
		w.checkSafe(v, e, use)
	}
}

// checkSafe: what the source or the server may still need is not safe to revoke.
func (w *world) checkSafe(v ring.VersionStatus, e, use *entry) {
	c := w.current
	free := e != c && use == c && c.good && e.out == 0 && v.Role == ring.RolePrevious
	quiet := e.sent == 0 || w.at.Sub(e.lastSent) >= time.Minute
	calm := c.refusedAt.IsZero() || w.at.Sub(c.refusedAt) >= time.Hour // F171
	if v.SafeToRevoke && (!free || !quiet && e.refused == 0 || !calm || w.at.Sub(c.goodAt) < 10*time.Minute) {
		w.Fatalf("safe to revoke: %+v", v)
	}
	last := e.acceptance >= c.acceptance && e.acceptance > 0 // requests may fall back to it first
	if !v.SafeToRevoke && free && quiet && calm && !last && !c.calmAt.IsZero() && w.at.Sub(c.calmAt) >= 10*time.Minute && !c.doubted && w.wait == 0 {
		w.Fatalf("not safe to revoke: %+v", v)
	}
}
