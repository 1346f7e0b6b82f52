package ring_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// Whatever becomes of requests that are out at once, in whatever order, and whatever
// changes meanwhile: what is late changes nothing, one request at a time finds out
// about a refused key, and none gets a key that it must not have.
//
// F59, F60, F63, F70
func TestRingAgainstModelConcurrently(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rapid.SyncTest(t, func(t *rapid.T) {
			w := newWorld(t)
			w.atWill = true
			actions := w.actions()
			actions["begin"] = func(*rapid.T) {
				for n := 1 + w.pick("requests", 3); n > 0 && len(w.open) < 4; n-- {
					if q := w.begin(w.pick("repeatable", 4) > 0); q != nil {
						w.open = append(w.open, q)
					}
				}
			}
			actions["probe"] = func(t *rapid.T) {
				actions["falls back"](t)
				w.tick()
				w.sleep(1200 * time.Millisecond)
				actions["begin"](t)
			}
			for name, outcome := range map[string]func(*request) (open bool){
				"accept":  func(q *request) bool { w.accept(q); return false },
				"refuse":  func(q *request) bool { w.refuse(q); return false },
				"unknown": func(q *request) bool { w.unknown(q); return false },
				"next":    func(q *request) bool { return w.next(q, w.pick("doubtful", 4) == 0) },
			} {
				actions[name] = func(*rapid.T) {
					if n := len(w.open); n > 0 {
						i := w.pick("request", n)
						w.last = nil // whatever the server took
						if !outcome(w.open[i]) {
							w.open = slices.Delete(w.open, i, i+1)
						}
					}
				}
			}
			actions["next again"] = actions["next"]
			t.Repeat(actions)
			w.recovers()
		})
	})
}

// request is one request, out or at its end.
type request struct {
	ring.Attempt
	trials []trial
	probe  bool   // out to find out about the current version
	served *entry // nil: nothing
}

// trial is one sending of a request.
type trial struct {
	*entry
	step     int // in which it was sent
	at       time.Time
	doubtful bool
}

func (q *request) last() trial { return q.trials[len(q.trials)-1] }

func (q *request) sent() (versions []string) {
	for _, t := range q.trials {
		versions = append(versions, t.name())
	}
	return versions
}

// holdOff bounds from below the time at which a key that is held off may be tried.
type holdOff struct {
	refusals int       // in a row, that began a hold-off
	until    time.Time // not before this
	over     time.Time // by this one it is over, whatever the jitter
}

// refused: it begins, if the one before is over for certain.
func (h *holdOff) refused(now time.Time) {
	if !now.Before(h.over) {
		h.refusals++
		h.again(now)
	}
	h.over = now.Add(66 * time.Second)
}

// again: it begins again, and does not grow.
func (h *holdOff) again(now time.Time) {
	if h.refusals > 0 {
		h.until = now.Add(min(time.Second<<(h.refusals-1), time.Minute))
	}
	h.over = now.Add(66 * time.Second)
}

// begin begins a request, nil if there is no key.
func (w *world) begin(repeatable bool) *request {
	w.tick()
	use, healthy := w.ring.Version(), !w.ring.AllHeld()
	a, err := w.ring.Attempt(context.Background(), repeatable)
	c := w.current
	if err != nil || c == nil {
		if !errors.Is(err, source.ErrNoKey) || c != nil {
			w.Fatalf("no attempt: %v", err)
		}
		return nil
	}
	q := &request{Attempt: a, probe: a.Version() != use}
	w.sent(q)
	if q.last().entry != c && !repeatable && !healthy {
		q.probe = false // all are refused, and each is tried now and then
	}
	if !q.probe {
		return q
	}
	if q.last().entry != c || !repeatable && healthy || w.at.Before(c.hold.until) {
		w.Fatalf("sent %q, with %q in use, current %q, held off until %v", a.Version(), use, c.name(), c.hold.until)
	}
	for _, o := range w.open {
		if o.probe && o.last().entry == c && o.last().step >= w.turned && w.at.Sub(o.last().at) < time.Minute {
			w.Fatalf("a second probe of %q", c.name())
		}
		o.probe = false // it hung too long: its word is that of any other now
	}
	c.hold.over = w.at
	return q
}

// sent notes what q was sent with, which must be a version that may be sent now.
func (w *world) sent(q *request) {
	tried, v := q.sent(), q.Version()
	n, e := len(tried), w.find(v)
	switch {
	case e == nil || !w.live(e):
		w.Fatalf("sent %q, which is not usable, after %q", v, tried)
	case n == 4 || n == 3 && e.joined < q.trials[0].step:
		w.Fatalf("sent %q after %q", v, tried)
	case n > 0 && e == q.last().entry && (n > 1 || e.acceptance <= e.twice): // F63, F123: the server accepted it last
		w.Fatalf("sent %q after %q", v, tried)
	case e.rejected && !slices.Contains(tried, v): // F70, F122
		if l := w.last; w.at.Before(e.turns.until) || l != nil && l != e && !slices.Contains(tried, l.name()) {
			w.Fatalf("sent %q, which was rejected, after %q", v, tried)
		}
		e.turns.over = w.at
		e.turns.refused(w.at)
	}
	e.sent++
	e.out++
	e.lastSent = w.at
	w.Logf("step %d, %v: sent with %s", w.step, w.at, v)
	q.trials = append(q.trials, trial{entry: e, step: w.step, at: w.at})
}

// outcome tells the ring what became of q. The current version comes into use only
// when it is accepted, and not by an attempt from before it was refused (F59), unless
// it is a probe, or what is in use was refused as well.
func (w *world) outcome(q *request, accepted bool, tell func()) {
	w.tick()
	t, c := q.last(), w.current
	use, healthy := w.find(w.ring.Version()), !w.ring.AllHeld()
	t.out--
	w.refusing = !accepted
	tell()
	w.settled()
	w.refusing = false
	switch {
	case c == nil || c != w.current || w.inUse == (use == c):
	case use == c:
		c.marked = 0
		if healthy { // it was not held off
			c.marked, c.hold.over = w.step, w.at
		}
	case w.live(use) && !slices.Contains(q.sent(), use.name()) && (!accepted || t.entry != c || t.step < c.marked && !q.probe):
		w.Fatalf("%s, sent in step %d, accepted %t: it brings %s back, which was refused in step %d", t.name(), t.step, accepted, c.name(), c.marked)
	}
}

// accept has the server take the key.
func (w *world) accept(q *request) {
	t, c, turned := q.last(), w.current, w.turned
	late := t.refusal > t.step
	t.proof = true
	w.outcome(q, true, q.Accepted)
	t.accepted++
	t.good, t.rejected, t.acceptance, t.turns = true, false, w.step, holdOff{}
	for _, at := range []*time.Time{&t.goodAt, &t.calmAt} {
		if at.IsZero() {
			*at = w.at
		}
	}
	demoted := false
	for _, o := range q.trials[:len(q.trials)-1] {
		if o.entry == t.entry {
			continue
		}
		counts := o.step >= o.told && !late
		demoted = demoted || counts && o.entry == c
		i, j := slices.Index(w.list, t.entry), slices.Index(w.list, o.entry)
		o.rejected = counts && i >= 0 && i < j && o.entry != w.current
		w.refused(o, turned)
		o.refusedAt = w.at
	}
	t.told = w.step
	if c == nil || c != w.current {
		return
	}
	v := w.ring.Version()
	switch {
	case t.entry == c && !late:
		if c.doubted = false; v != c.name() {
			w.Fatalf("%s was accepted, and %s is in use", c.name(), v)
		}
	case demoted:
		if c.hold.refused(w.at); w.live(t.entry) && v != t.name() {
			w.Fatalf("%s was accepted in place of %s, and %s is in use", t.name(), c.name(), v)
		}
	}
}

// next has the server refuse the key, and the request go on if it can.
func (w *world) next(q *request, doubtful bool) (on bool) {
	turned := w.turned
	w.outcome(q, false, func() { on = q.Next(w.Context(), doubtful) })
	q.trials[len(q.trials)-1].doubtful = doubtful
	q.last().refused++
	q.last().refusal = w.step
	q.last().calmAt = time.Time{}
	if !doubtful {
		q.last().refusedAt = w.at
	}
	if t := q.last(); len(q.trials) == 2 && q.trials[0].entry == t.entry && !doubtful {
		t.doubted = true
		if t.step > t.acceptance {
			t.twice = w.step
		}
	}
	w.probed(q, !doubtful)
	if !on {
		w.exhausted(q, turned)
		return false
	}
	w.sent(q)
	return true
}

// refuse has the server refuse the key of a request that cannot be sent again.
func (w *world) refuse(q *request) {
	turned := w.turned
	w.outcome(q, false, q.Refused)
	q.last().refused++
	q.last().refusedAt = w.at
	w.probed(q, true)
	w.exhausted(q, turned)
}

// unknown ends a request without a word of the key.
func (w *world) unknown(q *request) {
	w.outcome(q, false, q.End)
	w.probed(q, false)
}

// probed begins the hold-off after a probe.
func (w *world) probed(q *request, refused bool) {
	if !q.probe {
		return
	}
	q.probe = false
	e := q.last().entry
	if refused {
		e.told = w.step // it counts at once, and not again when the request ends
	}
	switch {
	case e != w.current || w.inUse || q.last().step < w.turned: // of a fall-back before this one
	case refused:
		e.hold.refused(w.at)
	default:
		e.hold.again(w.at)
	}
}

// exhausted notes that a request ends with a refusal.
func (w *world) exhausted(q *request, turned int) {
	for _, t := range q.trials {
		if !t.doubtful {
			w.refused(t, turned)
		}
	}
	if c := w.current; c != nil { // its time may have come
		c.hold.until, c.hold.over = time.Time{}, w.at.Add(66*time.Second)
	}
}

// refused notes a refusal. It counts if the request left after the version came into
// use, or went out of it (F59).
func (w *world) refused(t trial, turned int) {
	t.told, t.refusal, t.calmAt = w.step, w.step, time.Time{}
	t.doubted = t.doubted || t.step >= turned
}
