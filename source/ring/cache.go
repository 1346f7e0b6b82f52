package ring

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/mode"
)

// A Cache stores one blob that contains secrets: a ring's last good keys.
// Implementations are safe for concurrent use. The ring waits up to 10 s for Load and up to
// 4 s for Save, even if they ignore their context. Package source/age has a Cache that
// encrypts the blob and stores it in another Cache.
type Cache interface {
	// Load returns the blob that was saved last. If there is none, the error matches
	// fs.ErrNotExist.
	Load(ctx context.Context) ([]byte, error)
	// Save replaces the blob, as a whole or not at all.
	Save(ctx context.Context, data []byte) error
}

// FileCache returns a Cache that stores the blob in the file at path, which only its owner
// can read (mode 0600). Save replaces the file atomically, and syncs it and its directory,
// which must exist. Load refuses a file that others can read or write, that belongs to
// another user, or that is not a regular file. On Windows, Plan 9 and WebAssembly FileCache
// cannot tell who can read the file: there only the owner may have access to the directory.
//
// Save writes a file named path.tmp and a number, and renames it. After a crash such a file
// may be left, with keys in it: the next Save removes it once it is a minute old.
func FileCache(path string) Cache { return fileCache{path, syncDir} }

type fileCache struct {
	path    string
	syncDir func(dir string) error
}

func (c fileCache) Load(context.Context) ([]byte, error) {
	f, err := os.OpenFile(c.path, os.O_RDONLY|mode.NonBlock|mode.NoFollow, 0) // F176: a FIFO would block
	if err != nil {
		if info, e := os.Lstat(c.path); e == nil && !info.Mode().IsRegular() {
			err = fmt.Errorf("%s: %w", c.path, errNotPrivate)
		}
		return nil, fmt.Errorf("ring: cache: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("ring: cache: %w", err)
	}
	owner, known := mode.Owner(info) // F176: where all may write, such as in /tmp, it may be another's
	if !info.Mode().IsRegular() || mode.Perm(info)&0o077 != 0 || known && owner != os.Geteuid() {
		return nil, fmt.Errorf("ring: cache: %s: %w", c.path, errNotPrivate)
	}
	const limit = 16 * source.MaxSize
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("ring: cache: %w", err)
	}
	if len(data) > limit {
		return nil, fmt.Errorf("ring: cache: %s: %w: longer than %d bytes", c.path, source.ErrInvalid, limit)
	}
	return data, nil
}

var errNotPrivate = fmt.Errorf("%w: want a regular file of this user with mode 0600", source.ErrInvalid)

func (c fileCache) Save(_ context.Context, data []byte) error {
	if err := c.replace(data); err != nil {
		return fmt.Errorf("ring: cache: %w", err)
	}
	c.removeLeft()
	return nil
}

func (c fileCache) replace(data []byte) (err error) {
	dir, name := filepath.Split(c.path)
	f, err := os.CreateTemp(cmp.Or(dir, "."), name+temporary+"*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, ignore(os.Remove(f.Name()), fs.ErrNotExist))
		}
	}()
	if _, err = f.Write(data); err != nil {
		_ = f.Close()
		return err
	}
	if err = errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), c.path); err != nil {
		return err
	}
	return c.syncDir(cmp.Or(dir, "."))
}

const (
	temporary = ".tmp"
	leftAfter = time.Minute // a Save that runs takes less
)

// removeLeft removes the files that crashes left behind, but not those that another process
// may be writing. It ignores errors, such as for another user's file: the keys are saved
// all the same.
func (c fileCache) removeLeft() {
	dir, name := filepath.Split(c.path)
	entries, _ := os.ReadDir(cmp.Or(dir, "."))
	for _, e := range entries {
		number, ok := strings.CutPrefix(e.Name(), name+temporary)
		if !ok || number == "" || strings.Trim(number, "0123456789") != "" || !e.Type().IsRegular() {
			continue
		}
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > leftAfter {
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}

// syncDir makes a rename in dir survive a loss of power, if the system can.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return ignore(err, fs.ErrPermission)
	}
	defer d.Close()
	if runtime.GOOS == "windows" {
		return nil
	}
	return ignore(d.Sync(), syscall.EINVAL, errors.ErrUnsupported) // the file system cannot sync a directory
}

func ignore(err error, these ...error) error {
	if slices.ContainsFunc(these, func(this error) bool { return errors.Is(err, this) }) {
		return nil
	}
	return err
}
