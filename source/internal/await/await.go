// Package await waits until a context ends at most: for a duration, or for a call that accepts
// no context or ignores it.
package await

import (
	"context"
	"time"
)

// Sleep waits for d and returns nil. If ctx ends earlier, it returns the cause
// ([context.Cause]).
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

// Call calls f on a goroutine and returns its results. If ctx ends earlier, Call returns ctx's
// error. The call of f then goes on, and its results are lost.
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
