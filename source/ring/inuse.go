package ring

import (
	"context"
	"fmt"

	"github.com/rollingkeys/rollingkeys/source"
)

// Version returns the name of the key that requests get now: the current one, or a
// previous one during a fall-back. It is empty if there is none.
func (r *Ring) Version() string {
	if r == nil {
		return ""
	}
	if s := r.snap.Load(); s != nil && s.err == nil {
		return s.use.label()
	}
	return ""
}

// InUse returns the key that requests get now, for other uses than requests: a WebSocket
// login, a token for another library. It does not block. Its errors are those of Attempt,
// except [ErrRefused]: it returns a key in a lockout too. It does not count as a request.
// The version is not safe to revoke for a minute after the call. A caller that uses the key
// longer pins it: see [Ring.Pin].
func (r *Ring) InUse() (source.Key, error) {
	if r == nil {
		return source.Key{}, fmt.Errorf("ring: %w: no ring", source.ErrNoKey)
	}
	s := r.snap.Load()
	if s == nil {
		return source.Key{}, fmt.Errorf("ring: %w: the ring was not made by Keep", source.ErrNoKey)
	}
	if s.err != nil {
		return source.Key{}, s.err
	}
	s.use.counters.calledAt(r.cfg.now()) // F127
	return s.use.key.Load().Clone(), nil
}

// Token returns the secret of the key that requests get now, for libraries that call a
// function for their token. It does not block. Its errors are those of [Ring.InUse] and
// ctx's. For revocation it counts like InUse: a library may keep a token for a minute.
func (r *Ring) Token(ctx context.Context) (string, error) {
	if ctx == nil {
		return "", fmt.Errorf("ring: %w", errNoContext)
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	key, err := r.InUse()
	return key.Secret.Expose(), err
}
