package source

import (
	"fmt"
	"time"
)

// warnCallers is the least time between two warnings of callers' own keys.
const warnCallers = time.Minute

// Find returns the newest version whose key match knows, for what carries a key
// that the ring did not hand out. match is called under the ring's lock: it must
// not call the ring, nor keep the key, and should compare in constant time.
func (r *Ring) Find(match func(Key) bool) (version string, ok bool) {
	if r == nil || r.cancel == nil {
		return "", false
	}
	r.mu.Lock()
	defer r.unlock()
	for _, v := range r.list {
		if match(*v.key.Load()) {
			return v.label(), true
		}
	}
	return "", false
}

// Caller begins an attempt that carries a key of the caller's own: it is that of the
// given version, if the ring has one of that name, and else one that the ring does
// not know. Until such an attempt has ended, and for a minute after it, the version,
// or, where it is not known, none at all, is called safe to revoke. Its outcome says
// nothing to the ring: end it with Unknown or End.
//
// A Warning event says where the key came from, in the words of where, such as
// "header Authorization", at once and then once a minute.
func (r *Ring) Caller(version, where string) Attempt {
	if r == nil || r.cancel == nil {
		return Attempt{ended: true}
	}
	r.mu.Lock()
	defer r.unlock()
	a := Attempt{ring: r, v: r.callers, shard: shard(), foreign: true}
	for _, v := range r.list {
		if v.label() == version {
			a.v = v
		}
	}
	r.callersSeen++
	a.v.figures.shards[a.shard].sent.Add(1)
	if now := r.cfg.now(); r.callersTold.IsZero() || now.Sub(r.callersTold) >= warnCallers {
		r.callersTold = now
		r.emit(Event{Kind: Warning, Err: fmt.Errorf("a request goes out with a key of its own, in %s (%d so far)", where, r.callersSeen)})
	}
	return a
}
