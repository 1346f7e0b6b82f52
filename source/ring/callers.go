package ring

import (
	"fmt"
	"github.com/rollingkeys/rollingkeys/source"
	"slices"
	"time"
)

// warnCallers is the least time between two warnings of callers' own keys.
const warnCallers = time.Minute

// callers is what a ring knows of the keys that callers brought along.
type callers struct {
	v      *version  // stands for those that are none of the ring's
	seen   uint64    // requests with a key of their own
	warned time.Time // when that was last warned of
}

func newCallers() callers {
	c := callers{v: &version{figures: &figures{}}}
	c.v.key.Store(&source.Key{})
	return c
}

// act reports whether requests with unknown keys are out, or were a moment ago.
func (c *callers) act(now time.Time) bool {
	f := c.v.figures
	return f.inFlight() > 0 || f.calledLately(now)
}

// Caller begins an attempt that carries a key of the caller's own, for what did not
// get its key from the ring. The first of matches that knows exactly one of the ring's
// keys says which it is; where none does, the ring does not know it. While such an
// attempt is out, and for a minute after its end, its version is not called safe to
// revoke; where the key is not known, no version is. The attempt's outcome says nothing
// to the ring: end it with Unknown or End.
//
// A Warning event says where the key came from, in the words of where, such as
// "header Authorization", at once and then once a minute.
//
// matches are called under the ring's lock: they must not call the ring, nor keep the
// key, and should compare in constant time (see [source.Secret.Equal]).
func (r *Ring) Caller(where string, matches ...func(source.Key) bool) Attempt {
	if r == nil || r.cancel == nil {
		return Attempt{ring: &Ring{cfg: config{now: time.Now}}, v: newCallers().v, foreign: true}
	}
	r.mu.Lock()
	defer r.unlock()
	a := Attempt{ring: r, v: r.whose(matches), shard: shard(), foreign: true}
	r.callers.seen++
	a.v.figures.shards[a.shard].sent.Add(1)
	now := r.cfg.now()
	a.v.figures.calledAt(now)
	if r.callers.warned.IsZero() || now.Sub(r.callers.warned) >= warnCallers {
		r.callers.warned = now
		r.outbox.emit(Event{Kind: Warning, Err: fmt.Errorf("a request goes out with a key of its own, in %s (%d so far)", where, r.callers.seen)})
	}
	return a
}

// whose returns the version that one of matches knows, that of callers if none does. The
// caller holds mu.
func (r *Ring) whose(matches []func(source.Key) bool) *version {
	for _, match := range matches {
		knows := func(v *version) bool { return match(*v.key.Load()) }
		if i := slices.IndexFunc(r.roster.list, knows); i >= 0 && !slices.ContainsFunc(r.roster.list[i+1:], knows) {
			return r.roster.list[i]
		}
	}
	return r.callers.v
}

// calledAt notes that a caller used the key itself, now.
func (f *figures) calledAt(now time.Time) { f.called.Store(now.UnixNano()) }

// calledLately reports whether a caller did less than the quiet time ago.
func (f *figures) calledLately(now time.Time) bool {
	at := f.called.Load()
	return at != 0 && now.UnixNano()-at < int64(quietTime)
}
