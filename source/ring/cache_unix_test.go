//go:build unix

package ring_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// Where others may write too, such as in /tmp, somebody has put something else in the place
// of the cache: a FIFO, a symbolic link, a file of their own. Load returns at once, and its
// error says what is wanted.
//
// F176
func TestFileCacheOfAnotherHand(t *testing.T) {
	for name, put := range map[string]func(path string) error{
		"a FIFO":   func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"a socket": func(path string) error { return syscall.Mknod(path, syscall.S_IFSOCK|0o600, 0) },
		"a link": func(path string) error {
			return errors.Join(os.WriteFile(path+".own", []byte("sentinel-1"), 0o600), os.Symlink(path+".own", path))
		},
		"another's file": func(path string) error {
			return errors.Join(os.WriteFile(path, []byte("sentinel-1"), 0o600), os.Chown(path, 65534, -1))
		},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "another's file" && os.Geteuid() != 0 {
				t.Skip("needs root, to make a file that is not ours")
			}
			dir := t.TempDir()
			path := filepath.Join(dir, "cache")
			if err := errors.Join(os.Chmod(dir, 0o1777), put(path)); err != nil {
				t.Fatal(err)
			}
			if data, err := ring.FileCache(path).Load(t.Context()); !errors.Is(err, source.ErrInvalid) {
				t.Errorf("%d bytes, error %v", len(data), err)
			}
		})
	}
}
