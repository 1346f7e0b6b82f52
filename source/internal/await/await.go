// Package await waits no longer than a context lives: for a time, and for calls
// that take no context or do not heed theirs.
package await

import (
	"context"
	"time"
)

// Sleep waits for d. It returns nil, or earlier what ended ctx ([context.Cause]).
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Call calls f and returns what it returns, or ctx's error once ctx ends: then f
// goes on by itself, and what it returns is lost.
func Call[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	done := make(chan answer, 1)
	go func() {
		value, err := f()
		done <- answer{value, err}
	}()
	select {
	case a := <-done:
		return a.value, a.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}
