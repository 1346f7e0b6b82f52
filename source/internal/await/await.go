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
// error. The call of f then goes on, and its results are lost. A panic of f is one of Call's
// (F97).
func Call[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type answer struct {
		value    T
		err      error
		panicked any
	}
	done := make(chan answer, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				done <- answer{panicked: p}
			}
		}()
		value, err := f()
		done <- answer{value: value, err: err}
	}()
	select {
	case a := <-done:
		if a.panicked != nil {
			panic(a.panicked)
		}
		return a.value, a.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}
