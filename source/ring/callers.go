package ring

import (
	"fmt"
	"slices"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
)

// warnCallers is the shortest time between two Warnings about callers' own keys.
const warnCallers = time.Minute

// callers is what a ring knows of requests with keys of their own.
type callers struct {
	v      *version  // stands for every key that the ring does not know
	seen   uint64    // the number of such requests
	warned time.Time // when the last Warning was emitted
}

func newCallers() callers {
	c := callers{v: &version{counters: &counters{}}}
	c.v.key.Store(&source.Key{})
	return c
}

// active reports whether requests with unknown keys are in flight, or were a moment ago.
func (c *callers) active(now time.Time) bool {
	f := c.v.counters
	return f.inFlight() > 0 || f.calledLately(now)
}

// Caller begins an attempt with a key of the caller's own, for a request that did not get
// its key from the ring. A match reports whether a key is that of the request. The first
// of matches that is true for exactly one of the ring's keys says which key it is;
// otherwise the ring does not know it. While the attempt is in flight, and for a minute
// after its end, its version is not safe to revoke; if the key is not known, no version
// is. The ring learns nothing from the outcome: end the attempt with Unknown or End.
//
// A Warning event says where the key came from, with the text of where, such as
// "header Authorization": at the first such request, and then once a minute.
//
// Caller calls matches with a lock held: they must neither call the ring nor retain the
// key, and should compare in constant time (see [source.Secret.Equal]).
func (r *Ring) Caller(where string, matches ...func(source.Key) bool) Attempt {
	if r == nil || r.cancel == nil {
		return Attempt{}
	}
	r.mu.Lock()
	defer r.unlock()
	a := Attempt{ring: r, shard: shard(), foreign: true}
	a.begun(r.whose(matches))
	r.callers.seen++
	now := r.cfg.now()
	a.v.counters.calledAt(now)
	if r.callers.warned.IsZero() || now.Sub(r.callers.warned) >= warnCallers {
		r.callers.warned = now
		r.outbox.emit(Event{Kind: Warning, Err: fmt.Errorf("a request goes out with a key of its own, in %s (%d so far)", where, r.callers.seen)})
	}
	return a
}

// Has reports whether match is true for one of the ring's keys. Like a match of
// [Ring.Caller], match is called with a lock held. On a nil ring Has returns false.
func (r *Ring) Has(match func(source.Key) bool) bool {
	if r == nil {
		return false
	}
	r.mu.Lock()
	defer r.unlock()
	return slices.ContainsFunc(r.roster.list, func(v *version) bool { return match(*v.key.Load()) })
}

// whose returns the version that one of matches is true for, or the version that stands
// for unknown keys. The caller holds mu.
func (r *Ring) whose(matches []func(source.Key) bool) *version {
	for _, match := range matches {
		knows := func(v *version) bool { return match != nil && match(*v.key.Load()) }
		if i := slices.IndexFunc(r.roster.list, knows); i >= 0 && !slices.ContainsFunc(r.roster.list[i+1:], knows) {
			return r.roster.list[i]
		}
	}
	return r.callers.v
}

// calledAt records that a caller took the key, or used it itself.
func (f *counters) calledAt(now time.Time) { f.called.Store(now.UnixNano()) }

// calledLately reports whether a caller did so less than the quiet time ago.
func (f *counters) calledLately(now time.Time) bool {
	at := f.called.Load()
	return at != 0 && now.UnixNano()-at < int64(quietTime)
}
