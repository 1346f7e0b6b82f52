package file_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/file"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// keep keeps src in a ring until the test ends. The channel gets the events of a new current
// key and of a failed reading.
func keep(t *testing.T, src source.Source, opts ...ring.Option) (*ring.Ring, <-chan ring.Event) {
	t.Helper()
	events := make(chan ring.Event, 1000)
	opts = append(opts, ring.WithLogger(nil), ring.WithObserver(func(e ring.Event) {
		switch e.Kind {
		case ring.Switched, ring.RolledBack, ring.RefreshFailed, ring.Warning:
			events <- e
		}
	}))
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	keys, err := ring.Keep(ctx, src, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keys.Close() })
	expect(t, events, ring.Switched)
	return keys, events
}

func expect(t *testing.T, events <-chan ring.Event, kind ring.EventKind) ring.Event {
	t.Helper()
	deadline := time.After(limit)
	for {
		select {
		case e := <-events:
			if e.Err != nil && strings.Contains(e.Err.Error(), "sentinel") { // F95
				t.Fatalf("an event holds data: %v", e.Err)
			}
			if e.Kind == kind {
				return e
			}
		case <-deadline:
			t.Fatalf("no %s", kind)
		}
	}
}

func wantCurrent(t *testing.T, keys *ring.Ring, want string) {
	t.Helper()
	key, err := keys.InUse()
	// The observer may get an event a moment before the ring has published the change.
	for deadline := time.Now().Add(limit); err == nil && key.Secret.Expose() != want && time.Now().Before(deadline); {
		runtime.Gosched()
		key, err = keys.InUse()
	}
	if err != nil || key.Secret.Expose() != want {
		t.Fatalf("in use is %q (%v), want %q", key.Secret.Expose(), err, want)
	}
}

// F01: each of twenty swaps is a switch of the ring's current key, long before the first
// poll.
func TestRingFollowsSwaps(t *testing.T) {
	v := newVolume(t, map[string]string{"key": "sentinel-0"})
	keys, events := keep(t, file.New(filepath.Join(v.dir, "key")), ring.WithPoll(time.Hour))
	for i := range 20 {
		v.swap(map[string]string{"key": fmt.Sprintf("sentinel-%d", i+1)})
		expect(t, events, ring.Switched)
		wantCurrent(t, keys, fmt.Sprintf("sentinel-%d", i+1))
	}
}

// F04, F07, F16, F17, F19: the ring keeps its key whatever is wrong with the file. If the
// same key is written again, that is no rotation.
func TestRingKeepsGoodKey(t *testing.T) {
	path := tempFile(t, "sentinel-1")
	keys, events := keep(t, file.New(path), ring.WithPoll(time.Hour))
	for _, wrong := range []func() error{
		func() error { return os.Remove(path) },
		func() error { return os.WriteFile(path, nil, 0o600) },
		func() error { return os.WriteFile(path, []byte("sentinel-2\r\nX-Evil: 1"), 0o600) },
		func() error { return os.Remove(path) },
		func() error { return os.Mkdir(path, 0o700) },
		func() error { return os.Remove(path) },
		func() error { return os.Symlink("key", path) },
	} {
		if err := wrong(); err != nil {
			t.Fatal(err)
		}
		expect(t, events, ring.RefreshFailed)
		wantCurrent(t, keys, "sentinel-1")
	}
	for range 20 {
		replace(t, path, "sentinel-1\n")
		if err := keys.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(keys.Status().Versions); n != 1 {
		t.Fatalf("%d versions of one key", n)
	}
	replace(t, path, "sentinel-2")
	expect(t, events, ring.Switched)
	wantCurrent(t, keys, "sentinel-2")
}

// F12, F104: without a watcher the ring warns and serves the key all the same.
func TestRingWithoutWatcher(t *testing.T) {
	setWatcher(t, noWatcher)
	path := tempFile(t, "sentinel-v1")
	events := make(chan ring.Event, 1000) // the Warning may come ahead of the first Switched
	keys, _ := keep(t, file.New(path), ring.WithObserver(func(e ring.Event) { events <- e }))
	expect(t, events, ring.Warning)
	write(t, path, "sentinel-v2")
	if err := keys.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantCurrent(t, keys, "sentinel-v2")
}

// F24: the ring warns of each file once, not at each reading.
func TestRingWarnsOfModeOnce(t *testing.T) {
	path := tempFile(t, "sentinel-v1")
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	seen := make(chan ring.EventKind, 1000)
	keys, _ := keep(t, file.New(path), ring.WithPoll(time.Hour), ring.WithObserver(func(e ring.Event) { seen <- e.Kind }))
	for range 5 {
		if err := keys.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	replace(t, path, "sentinel-v2") // with mode 0600
	count := make(map[ring.EventKind]int)
	for count[ring.Switched] < 2 {
		count[<-seen]++
	}
	if count[ring.Warning] != 1 {
		t.Fatalf("%d warnings", count[ring.Warning])
	}
}

// deaf is a file source on a file system without notifications.
type deaf struct{ *file.Source }

func (d deaf) Notify(ctx context.Context, changed func()) error {
	changed()
	<-ctx.Done()
	return nil
}

// F03: without a notification the ring serves the key after one poll interval.
func TestRingPollsUnderneath(t *testing.T) {
	path := tempFile(t, "sentinel-v1")
	synctest.Test(t, func(t *testing.T) {
		keys, err := ring.Keep(t.Context(), deaf{file.New(path)}, ring.WithLogger(nil))
		if err != nil {
			t.Fatal(err)
		}
		defer keys.Close()
		time.Sleep(time.Minute)
		synctest.Wait()
		replace(t, path, "sentinel-v2")
		time.Sleep(5*time.Second + 500*time.Millisecond) // the interval and its jitter of a tenth
		synctest.Wait()
		wantCurrent(t, keys, "sentinel-v2")
	})
}
