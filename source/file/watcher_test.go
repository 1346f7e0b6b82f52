package file_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/file"
)

// setWatcher replaces the function that makes watchers until the test ends.
func setWatcher(t *testing.T, f func() (*fsnotify.Watcher, error)) {
	t.Helper()
	before := file.SetWatcher(f)
	t.Cleanup(func() { file.SetWatcher(before) })
}

func noWatcher() (*fsnotify.Watcher, error) { return nil, fmt.Errorf("inotify: %w", syscall.EMFILE) }

// F12: if the system allows no watcher, Notify returns a typed error. Read still works, and
// so does Notify once a watcher is allowed.
func TestNoWatcher(t *testing.T) {
	for _, cause := range []error{syscall.EMFILE, syscall.ENOSPC} {
		t.Run(cause.Error(), func(t *testing.T) {
			setWatcher(t, func() (*fsnotify.Watcher, error) { return nil, fmt.Errorf("inotify: %w", cause) })
			path := tempFile(t, "sentinel-v1")
			src := file.New(path)
			err := src.Notify(t.Context(), func() { t.Error("changed was called") })
			var typed *source.Error
			if !errors.As(err, &typed) || !errors.Is(err, source.ErrUnavailable) || !errors.Is(err, cause) {
				t.Fatalf("error %v", err)
			}
			wantSecret(t, src, "sentinel-v1")

			setWatcher(t, fsnotify.NewWatcher)
			changed := watching(t, src)
			write(t, path, "sentinel-v2")
			served(t, src, changed, "sentinel-v2")
		})
	}
}

// F12, F104: the process has one watcher for all sources, and none after the last Notify has
// returned.
func TestOneWatcherForAll(t *testing.T) {
	made := 0
	setWatcher(t, func() (*fsnotify.Watcher, error) { made++; return fsnotify.NewWatcher() })
	before := descriptors(t)
	for round := range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		armed, done := make(chan struct{}, 100), make(chan error)
		for i := range 20 {
			src := file.New(tempFile(t, fmt.Sprintf("sentinel-v%d", i)))
			go func() { done <- src.Notify(ctx, func() { armed <- struct{}{} }) }()
		}
		for range 20 {
			<-armed
		}
		if made != round+1 {
			t.Fatalf("round %d: %d watchers were made", round, made)
		}
		cancel()
		for range 20 {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		if after := descriptors(t); after != before {
			t.Fatalf("round %d: %d descriptors, %d before", round, after, before)
		}
	}
}

// descriptors counts the descriptors of files and watchers. It leaves out those of network
// pollers, which the runtime opens and closes.
func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no /proc/self/fd")
	}
	n := 0
	for _, e := range entries {
		to, err := os.Readlink(filepath.Join("/proc/self/fd", e.Name()))
		if err == nil && (strings.Contains(to, "inotify") || strings.HasPrefix(to, os.TempDir())) {
			n++
		}
	}
	return n
}

// F11: events were lost, and perhaps the watch as well.
func TestOverflowReadsAndArmsAgain(t *testing.T) {
	var watcher *fsnotify.Watcher
	setWatcher(t, func() (w *fsnotify.Watcher, err error) {
		watcher, err = fsnotify.NewWatcher()
		return watcher, err
	})
	path := tempFile(t, "sentinel-v1")
	src := file.New(path)
	changed := watching(t, src)
	for _, p := range watcher.WatchList() {
		if err := watcher.Remove(p); err != nil {
			t.Fatal(err)
		}
	}
	write(t, path, "sentinel-v2") // this causes no event
	watcher.Errors <- fsnotify.ErrEventOverflow
	served(t, src, changed, "sentinel-v2", "sentinel-v1")
	write(t, path, "sentinel-v3")
	served(t, src, changed, "sentinel-v3", "sentinel-v2")
}

// F13: a callback that never returns does not delay the notifications of others.
func TestBlockedCallbackBlocksNobody(t *testing.T) {
	path := tempFile(t, "sentinel-v0")
	ctx, cancel := context.WithCancel(t.Context())
	blocked, done := make(chan struct{}, 100), make(chan error)
	go func() { done <- file.New(path).Notify(ctx, func() { blocked <- struct{}{}; <-ctx.Done() }) }()
	<-blocked
	src := file.New(path)
	changed := watching(t, src)
	for i := range 10 {
		replace(t, path, fmt.Sprintf("sentinel-v%d", i+1))
		served(t, src, changed, fmt.Sprintf("sentinel-v%d", i+1), fmt.Sprintf("sentinel-v%d", i))
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// F14: the first call of changed reports what was written before the watch began.
func TestFirstChangeComesOnceArmed(t *testing.T) {
	var watcher *fsnotify.Watcher
	path := tempFile(t, "sentinel-v1")
	setWatcher(t, func() (w *fsnotify.Watcher, err error) {
		write(t, path, "sentinel-v2") // between the reading and the beginning of the watch
		watcher, err = fsnotify.NewWatcher()
		return watcher, err
	})
	src := file.New(path)
	wantSecret(t, src, "sentinel-v1")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	first := true
	err := src.Notify(ctx, func() {
		if first && len(watcher.WatchList()) == 0 {
			t.Error("called before anything was watched")
		}
		first = false
		cancel()
	})
	if err != nil || first {
		t.Fatalf("called: %v, error %v", !first, err)
	}
	wantSecret(t, src, "sentinel-v2")
}

// F25: changes of other files in the directory cause no notification.
func TestSiblingsAreIgnored(t *testing.T) {
	path := tempFile(t, "sentinel-v1")
	src := file.New(path)
	changed := watching(t, src)
	for i := range 1000 {
		write(t, fmt.Sprintf("%s.%d", path, i), "x")
		_ = os.Remove(fmt.Sprintf("%s.%d", path, i))
	}
	// Events come in order: when this one arrives, the earlier ones have arrived.
	sentinel := file.New(path + ".sentinel")
	told := watching(t, sentinel)
	write(t, path+".sentinel", "x")
	<-told
	select {
	case <-changed:
		t.Fatal("a neighbour's change was told")
	default:
	}
	replace(t, path, "sentinel-v2")
	served(t, src, changed, "sentinel-v2", "sentinel-v1")
}

// F03: the source sets its watches again even if there are no events.
func TestArmsAgainWithoutEvents(t *testing.T) {
	file.SetRearm(time.Millisecond)
	t.Cleanup(func() { file.SetRearm(time.Hour) })
	base := t.TempDir()
	dir := filepath.Join(base, "a", "b")
	mkdir(t, dir)
	path := filepath.Join(dir, "key")
	write(t, path, "sentinel-v1")
	src := file.New(path)
	changed := watching(t, src)
	// A rename of the parent directory causes no event in the watched directory.
	if err := os.Rename(filepath.Join(base, "a"), filepath.Join(base, "gone")); err != nil {
		t.Fatal(err)
	}
	mkdir(t, dir)
	// The poll finds the present content. The new watch must notice the next change.
	deadline := time.Now().Add(limit)
	for i := 2; ; i++ {
		replace(t, path, fmt.Sprintf("sentinel-v%d", i))
		select {
		case <-changed:
			wantSecret(t, src, fmt.Sprintf("sentinel-v%d", i))
			return
		default:
			if time.Now().After(deadline) {
				t.Fatal("deaf for good")
			}
		}
	}
}
