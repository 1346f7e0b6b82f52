package ring

import (
	"fmt"
	"github.com/rollingkeys/rollingkeys/source"
)

// maxBarred is how many revoked keys are remembered.
const maxBarred = 64

// Revoke puts a version out of use at once and for good, whatever the source says
// then: with [WithCache] beyond a restart, else for the life of this ring, which
// remembers the last 64. If it was current, the newest previous one
// becomes current; if there is none, requests fail with [source.ErrNoKey] until the
// source has another. An unknown version is an error that wraps [source.ErrNoKey].
func (r *Ring) Revoke(version string) error {
	if r == nil || r.cancel == nil {
		return fmt.Errorf("ring: %w", ErrClosed)
	}
	defer signal(r.wake)
	r.mu.Lock()
	defer r.unlock()
	for _, v := range r.roster.list {
		if v.label() == version {
			if !v.revoked {
				r.revoke(v)
				r.barred = append(r.barred, r.digest(*v.key.Load()))
				r.barred = r.barred[max(len(r.barred)-maxBarred, 0):]
				r.recompute(r.cfg.now())
				signal(r.dirty)
			}
			return nil
		}
	}
	return r.fail(fmt.Errorf("%w: no version %q to revoke", source.ErrNoKey, version))
}

// revoke puts v out of use at once; it stays on the list for as long as the
// source lists it, which cannot bring it back. The caller holds mu and recomputes.
func (r *Ring) revoke(v *version) {
	v.revoked = true
	v.take(RoleRetired, r.cfg.now())
	r.outbox.emit(Event{Kind: Revoked, Version: v.label()})
}
