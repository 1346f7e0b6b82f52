package ring

import "fmt"

// Revoke takes a version out of use at once and for good, even if the source goes on to list
// it. The ring remembers the last 64 revoked keys, with [WithCache] also after a restart. If
// the version was current, the newest previous one becomes current. If there is none,
// requests fail with [source.ErrNoKey] until the source has another. For an unknown version
// the error wraps [source.ErrNoKey].
func (r *Ring) Revoke(version string) error {
	if r == nil || r.cancel == nil {
		return fmt.Errorf("ring: %w", ErrClosed)
	}
	defer signal(r.signals.wake)
	r.mu.Lock()
	defer r.unlock()
	now := r.cfg.now()
	news, err := r.roster.revoke(version, now)
	if err != nil {
		return r.fail(err)
	}
	if news {
		r.recompute(now)
		signal(r.signals.dirty)
	}
	return nil
}
