package ring

import (
	"sync"

	"github.com/rollingkeys/rollingkeys/source"
)

// Pin says that key is used outside requests until unpin is called: by a connection that is
// logged in with it, or by a library that keeps it. As long, its version is not safe to
// revoke, even if it is retired in the meantime; see [VersionStatus.Pins]. Pin the key
// before it is used:
//
//	key, err := keys.InUse()
//	...
//	defer keys.Pin(key)()
//
// Pin keeps no key from being replaced, and no version in use. Each Pin counts, and each
// unpin once. If the ring does not know the key, Pin does nothing.
func (r *Ring) Pin(key source.Key) (unpin func()) {
	if r == nil || r.cancel == nil {
		return func() {}
	}
	r.mu.Lock()
	defer r.unlock()
	c := r.roster.countersOf(key)
	if c == nil {
		return func() {}
	}
	c.pins.Add(1)
	return sync.OnceFunc(func() { c.pins.Add(-1) })
}
