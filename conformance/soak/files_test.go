package soak_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/file"
)

// files is a track whose key is in a plain file. Only the ring keeps the previous key.
// The client has no WithRetry.
type files struct {
	*mock
	path string
}

func newFiles(t *testing.T, l lane, g *goal, from uint64, printed *sweep) *track {
	t.Helper()
	f := &files{mock: newMock(newTrack(t, "files", l, g, from, printed)), path: filepath.Join(t.TempDir(), "key")}
	f.publish = f.write
	f.write(f.current)
	f.start(f.base(), func() source.Source { return file.New(f.path) })
	f.steps = f.common(f.bothLive, map[string]func(){
		"both keys live":      f.bothLive,
		"source first":        f.fileFirst,
		"late replicas":       f.lateReplicas,
		"rollback":            f.rollback,
		"current key revoked": f.revoked,
		"half-written":        f.halfWritten,
		"bad file":            f.badFile,
		"bad file, then next": f.badThenNext,
		"restart":             f.restarted,
	})
	return f.track
}

// write replaces the file by renaming, or rewrites it in place, at random.
func (f *files) write(key source.Key) {
	path := f.path
	if f.rng.IntN(2) == 0 {
		path += ".new"
	}
	f.must(os.WriteFile(path, []byte(key.Secret.Expose()+"\n"), 0o600))
	if path != f.path {
		f.must(os.Rename(path, f.path))
	}
}

func (f *files) bothLive() {
	old, key := f.current, f.issue(mockapi.Spec{})
	f.write(key)
	f.next(key)
	f.must(f.api.Revoke(old.Version))
}

func (f *files) fileFirst() {
	old, key := f.current, f.issue(mockapi.Spec{Inactive: true})
	f.write(key)
	f.refused(key.Version)
	f.pause(300 * time.Millisecond)
	f.must(f.api.Activate(key.Version))
	f.next(key)
	f.must(f.api.Revoke(old.Version))
}

func (f *files) lateReplicas() {
	old, key := f.current, f.issue(f.late())
	f.write(key)
	f.everywhere(key.Version)
	f.next(key)
	f.must(f.api.Revoke(old.Version))
}

func (f *files) rollback() {
	old, key := f.current, f.issue(mockapi.Spec{})
	f.write(key)
	f.next(key)
	f.write(old)
	f.next(old)
	f.must(f.api.Revoke(key.Version))
}

// revoked revokes the current key; the ring falls back to the previous one.
func (f *files) revoked() {
	old, key := f.current, f.issue(mockapi.Spec{})
	f.write(key)
	f.next(key)
	f.must(f.api.Revoke(key.Version))
	f.served(old.Version)
	third := f.issue(mockapi.Spec{})
	f.write(third)
	f.next(third)
	f.must(f.api.Revoke(old.Version))
}

// restarted restarts the client during an overlap. The file has only the new key,
// which the server does not accept yet. The client gets the old one from the cache.
func (f *files) restarted() {
	old, key := f.current, f.issue(mockapi.Spec{Inactive: true})
	f.write(key)
	f.refused(key.Version)
	f.restart()
	f.served(old.Version)
	f.pause(300 * time.Millisecond)
	f.must(f.api.Activate(key.Version))
	f.next(key)
	f.must(f.api.Revoke(old.Version))
}

// halfWritten pauses in the middle of writing a key, with the file open.
func (f *files) halfWritten() {
	old, key := f.current, f.issue(mockapi.Spec{})
	text := key.Secret.Expose() + "\n"
	half := f.rng.IntN(len(text))
	w, err := os.OpenFile(f.path, os.O_WRONLY|os.O_TRUNC, 0)
	f.must(err)
	_, err = w.WriteString(text[:half])
	f.must(err)
	f.pause(400 * time.Millisecond)
	_, err = w.WriteString(text[half:])
	f.must(err)
	f.must(w.Close())
	f.next(key)
	f.must(f.api.Revoke(old.Version))
}

// spoil removes the file or makes it invalid in one of several ways.
func (f *files) spoil() {
	f.must(os.RemoveAll(f.path))
	switch f.rng.IntN(6) {
	case 0: // deleted
	case 1:
		f.must(os.WriteFile(f.path, nil, 0o600))
	case 2:
		f.must(os.WriteFile(f.path, []byte("<html><title>Sign in</title></html>"), 0o600))
	case 3:
		f.must(os.WriteFile(f.path, []byte(f.current.Secret.Expose()+"\r\nX-Evil: 1"), 0o600))
	case 4: // F17: unreadable; a file mode would not stop root
		f.must(os.Mkdir(f.path, 0o700))
	case 5: // F23
		f.must(os.Symlink(f.path, f.path))
	}
}

func (f *files) badFile() {
	f.spoil()
	f.pause(1500 * time.Millisecond)
	f.must(os.RemoveAll(f.path))
	f.write(f.current)
	f.readable()
	f.served(f.current.Version)
}

func (f *files) badThenNext() {
	old, key := f.current, f.issue(mockapi.Spec{})
	f.spoil()
	f.pause(1500 * time.Millisecond)
	f.must(os.RemoveAll(f.path))
	f.write(key)
	f.next(key)
	f.must(f.api.Revoke(old.Version))
}
