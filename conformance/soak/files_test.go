package soak_test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/file"
)

// files is a track whose key lies in a plain file. The ring alone knows the
// key before. Nothing is cut here, and nothing retried.
type files struct {
	*mock
	path string
}

func newFiles(t *testing.T, from uint64, printed *sweep) *track {
	t.Helper()
	f := &files{mock: newMock(newTrack(t, "files", from, printed)), path: filepath.Join(t.TempDir(), "key")}
	f.write(f.current)
	f.start(&http.Transport{}, func() source.Source { return file.New(f.path) })
	f.steps = map[string]func(){
		"both keys live":      f.bothLive,
		"file first":          f.fileFirst,
		"server first":        f.serverFirst,
		"late replicas":       f.lateReplicas,
		"rollback":            f.rollback,
		"current key revoked": f.revoked,
		"half-written":        f.halfWritten,
		"bad file":            f.badFile,
		"bad file, then next": f.badThenNext,
		"restart":             f.restarted,
	}
	return f.track
}

// write replaces the file's content, by renaming or in place.
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

// serverFirst: the old key is refused at once, so that requests wait for the file.
func (f *files) serverFirst() {
	old, key := f.current, f.issue(mockapi.Spec{})
	f.must(f.api.Revoke(old.Version))
	f.refused(old.Version)
	f.pause(500 * time.Millisecond)
	f.write(key)
	f.next(key)
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

// revoked: the server revokes the current key, and the ring has the one before.
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

// restarted: the client begins anew in the midst of an overlap. The file has the
// new key alone, which the server does not take yet: the old one is in the cache.
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

// halfWritten: the writer pauses in mid-key, with the file open.
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

// spoil makes the file one of the things that are no key.
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
	case 4: // F17: what is there is no file; modes would not stop root
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
