package transport

import (
	"context"
	"errors"
	"fmt"

	"github.com/rollingkeys/rollingkeys/source/ring"
)

// refusedError is the error of a request whose context ended after the server had refused
// every key that the request was sent with (F133). Like the context's error, which it
// wraps, it is a net.Error.
type refusedError struct {
	status  int
	version string
	over    error
}

func (e *refusedError) Error() string {
	return fmt.Sprintf("transport: %v: the server refused every key sent, version %q last, with status %d", e.over, e.version, e.status)
}

func (e *refusedError) Unwrap() []error { return []error{e.over, ring.ErrRefused} }

func (e *refusedError) Timeout() bool { return errors.Is(e.over, context.DeadlineExceeded) }

func (e *refusedError) Temporary() bool { return e.Timeout() }
