package ring

import (
	"errors"
	"fmt"

	"github.com/rollingkeys/rollingkeys/source"
)

// The reasons why a ring has no key for a request, for errors.Is, beside the errors of
// package source.
var (
	// ErrRollback: the source went back to an older key, and the ring does not follow
	// ([WithoutRollback]).
	ErrRollback = errors.New("rollback refused")
	// ErrStale: the last good reading is older than [WithMaxStale] allows.
	ErrStale = errors.New("keys are stale")
	// ErrRefused: the server refuses every key. The request was not sent ([WithLockout]), or
	// its context ended after the refusals.
	ErrRefused = errors.New("every key is refused")
	// ErrClosed: the ring is closed.
	ErrClosed = errors.New("the ring is closed")
)

// errNoContext is the error of what must be given a context, and got nil (F179).
var errNoContext = fmt.Errorf("%w: the context is nil: pass that of the request, or context.Background()", source.ErrNoKey)
