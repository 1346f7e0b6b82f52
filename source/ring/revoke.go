package ring

import "fmt"

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
	now := r.cfg.now()
	news, err := r.roster.revoke(version, now)
	if err != nil {
		return r.fail(err)
	}
	if news {
		r.recompute(now)
		signal(r.dirty)
	}
	return nil
}
