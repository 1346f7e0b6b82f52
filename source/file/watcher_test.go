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

// setWatcher replaces the maker of watchers until the test ends.
func setWatcher(t *testing.T, f func() (*fsnotify.Watcher, error)) {
	t.Helper()
	before := file.SetWatcher(f)
	t.Cleanup(func() { file.SetWatcher(before) })
}

func noWatcher() (*fsnotify.Watcher, error) { return nil, fmt.Errorf("inotify: %w", syscall.EMFILE) }

// F12: no watcher to be had is a typed error; reading goes on, and so does
// Notify once there is one.
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

// F12, F104: one watcher for the process, however many sources; none after the
// last has gone.
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

// descriptors counts the descriptors to files and watchers; those of network
// pollers come and go with the runtime.
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

// F11: events were lost, and with them, it may be, the watch.
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
	write(t, path, "sentinel-v2") // nobody hears of it
	watcher.Errors <- fsnotify.ErrEventOverflow
	served(t, src, changed, "sentinel-v2", "sentinel-v1")
	write(t, path, "sentinel-v3")
	served(t, src, changed, "sentinel-v3", "sentinel-v2")
}

// F13: somebody's callback that never returns keeps nobody else from hearing.
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

// F14: what is written before the watch is armed is told by the first call of changed.
func TestFirstChangeComesOnceArmed(t *testing.T) {
	var watcher *fsnotify.Watcher
	path := tempFile(t, "sentinel-v1")
	setWatcher(t, func() (w *fsnotify.Watcher, err error) {
		write(t, path, "sentinel-v2") // between the reading and the arming
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

// F25: what happens to the file's neighbours wakes nobody.
func TestSiblingsAreIgnored(t *testing.T) {
	path := tempFile(t, "sentinel-v1")
	src := file.New(path)
	changed := watching(t, src)
	for i := range 1000 {
		write(t, fmt.Sprintf("%s.%d", path, i), "x")
		_ = os.Remove(fmt.Sprintf("%s.%d", path, i))
	}
	// Events come in order: with this one's, the others' have been there.
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

// F03: where there are no events the source looks again.
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
	// Renaming the directory above tells the one that is watched nothing.
	if err := os.Rename(filepath.Join(base, "a"), filepath.Join(base, "gone")); err != nil {
		t.Fatal(err)
	}
	mkdir(t, dir)
	// The poll finds what is there now; the watch is for what comes next.
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
