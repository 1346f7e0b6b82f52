package ring

import "errors"

// What keeps a ring from giving out a key, for errors.Is, beside the errors of
// package source.
var (
	// ErrRollback: the source went back to an older key, and the ring was told not
	// to follow ([WithoutRollback]).
	ErrRollback = errors.New("rollback refused")
	// ErrStale: no successful reading for longer than [WithMaxStale] allows.
	ErrStale = errors.New("keys are stale")
	// ErrRefused: the server refuses every key, and the ring was told not to insist
	// ([WithLockout]).
	ErrRefused = errors.New("every key is refused")
	// ErrClosed: the ring is closed.
	ErrClosed = errors.New("closed")
)
