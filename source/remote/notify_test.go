package remote_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/remote"
)

// notify runs src.Notify until the test ends. The first channel gets its calls of changed, the
// second its result.
func notify(t *testing.T, src source.Notifier) (calls <-chan struct{}, result <-chan error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	changed, done := make(chan struct{}, 1000), make(chan error, 1)
	var wg sync.WaitGroup
	wg.Go(func() { done <- src.Notify(ctx, func() { changed <- struct{}{} }) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	return changed, done
}

func receive[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(20 * time.Second):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

// F14: the call of changed at the start makes the ring read. The long poll uses the ETag of that
// reading, so no change in between is missed.
func TestALongPollTellsOfAChange(t *testing.T) {
	e := newEndpoint(t, "v1")
	e.hold = true
	src := open(t, e.Server)
	calls, _ := notify(t, src)
	receive(t, calls)
	if v := current(t, src); v != "v1" {
		t.Fatalf("read %s", v)
	}
	for _, v := range []string{"v2", "v3", "v4", "v3"} {
		e.set(document(v), `"`+v+`"`)
		receive(t, calls)
		set, err := src.Read(t.Context())
		if err != nil || set.Keys[0].Version != v {
			t.Fatalf("read %+v, %v, want %s", set, err, v)
		}
	}
	// The requests are one reading, a long poll and a conditional reading for each change, and
	// perhaps a long poll that has just begun.
	if n := e.requests.Load(); n > 10 {
		t.Errorf("%d requests for 4 changes", n)
	}
	if v := current(t, src); v != "v3" {
		t.Errorf("read %s from the endpoint", v)
	}
}

// Two rings share a source. If one of them reads a new document first, the other is notified all
// the same.
func TestEveryNotifyTellsOfAChange(t *testing.T) {
	e := newEndpoint(t, "v1")
	e.hold = true
	src := open(t, e.Server)
	current(t, src)
	one, _ := notify(t, src)
	two, _ := notify(t, src)
	receive(t, one)
	receive(t, two)
	for _, v := range []string{"v2", "v3"} {
		e.set(document(v), `"`+v+`"`)
		eventually(t, func() bool { return current(t, src) == v })
		receive(t, one)
		receive(t, two)
	}
}

// F80
func TestALongPollIsSilentAboutTheSameDocument(t *testing.T) {
	e := newEndpoint(t, "v1")
	e.hold = true
	src := open(t, e.Server)
	calls, _ := notify(t, src)
	receive(t, calls)
	current(t, src)
	e.set(document("v1"), `"other"`)
	e.set(document("v1"), `"another"`)
	e.set(document("v2"), `"v2"`)
	receive(t, calls)
	if v := current(t, src); v != "v2" {
		t.Errorf("told of %s", v)
	}
	if len(calls) != 0 {
		t.Error("told more than once")
	}
}

// F80: the server waited for the whole time. 304 is the usual end of a long poll.
func TestALongPollGoesOnAfter304(t *testing.T) {
	e := newEndpoint(t, "v1")
	e.hold = true
	src := open(t, e.Server, remote.WithWait(time.Second))
	calls, _ := notify(t, src)
	receive(t, calls)
	current(t, src)
	eventually(t, func() bool { return e.requests.Load() >= 3 })
	e.set(document("v2"), `"v2"`)
	receive(t, calls)
	if v := current(t, src); v != "v2" {
		t.Errorf("told of %s", v)
	}
}

// F82: an invalid document is an error of Notify and never a change.
func TestALongPollThatBringsRubbishFails(t *testing.T) {
	e := newEndpoint(t, "v1")
	e.hold = true
	src := open(t, e.Server)
	calls, result := notify(t, src)
	receive(t, calls)
	current(t, src)
	e.set("<html>"+sentinel, `"v2"`)
	checkError(t, receive(t, result), source.ErrInvalid)
	if len(calls) != 0 {
		t.Error("told of rubbish")
	}
}

func TestALongPollThatIsCutOffFails(t *testing.T) {
	var requests atomic.Int64
	src := open(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1) > 1 {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("ETag", `"v1"`)
		writeJSON(w, document("v1"))
	}))
	calls, result := notify(t, src)
	receive(t, calls)
	current(t, src)
	checkError(t, receive(t, result), source.ErrUnavailable)
}

func TestNotifyEndsWithItsContext(t *testing.T) {
	for name, opt := range map[string]remote.Option{"long poll": remote.WithWait(time.Minute), "none": remote.WithWait(0)} {
		t.Run(name, func(t *testing.T) {
			e := newEndpoint(t, "v1")
			e.hold = true
			src := open(t, e.Server, opt)
			current(t, src)
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- src.Notify(ctx, func() {}) }()
			if name == "long poll" {
				eventually(t, func() bool { return e.requests.Load() == 2 })
			}
			cancel()
			if err := receive(t, done); err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("Notify: %v", err)
			}
		})
	}
}

// eventually waits until is returns true.
func eventually(t *testing.T, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it did not come to pass")
		}
	}
}
