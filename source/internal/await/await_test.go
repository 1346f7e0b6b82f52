package await_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source/internal/await"
)

func TestSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		started := time.Now()
		for _, want := range []error{nil, context.DeadlineExceeded} {
			if err := await.Sleep(ctx, 40*time.Second); !errors.Is(err, want) {
				t.Errorf("Sleep: %v, want %v", err, want)
			}
		}
		if took := time.Since(started); took != time.Minute {
			t.Errorf("it took %v", took)
		}
	})
}

func TestCall(t *testing.T) {
	failed := errors.New("failed")
	for _, want := range []error{nil, failed} {
		got, err := await.Call(t.Context(), func() (int, error) { return 7, want })
		if got != 7 || err != want {
			t.Errorf("Call = %d, %v, want 7, %v", got, err, want)
		}
	}
}

// F78, F106
func TestCallThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		started := time.Now()
		_, err := await.Call(ctx, func() (int, error) { time.Sleep(time.Hour); return 7, nil })
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(started) > time.Second {
			t.Errorf("Call: %v after %v", err, time.Since(started))
		}
		time.Sleep(2 * time.Hour) // let f end
	})
}

// A panic of the function is the caller's, who can recover from it.
//
// F97
func TestCallThatPanics(t *testing.T) {
	defer func() {
		if p := recover(); p != "sentinel-panic" {
			t.Errorf("recovered %v", p)
		}
	}()
	_, _ = await.Call(t.Context(), func() (int, error) { panic("sentinel-panic") })
	t.Error("no panic")
}

// A panic after the context has ended ends nothing else.
//
// F97
func TestCallThatPanicsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := await.Call(ctx, func() (int, error) { time.Sleep(time.Hour); panic("sentinel-panic") })
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Call: %v", err)
		}
		time.Sleep(2 * time.Hour) // let f end
	})
}
