package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// A Cache stores one blob that holds secrets: a ring's last good keys.
// Implementations are safe for concurrent use. Package source/age has one that
// encrypts on the way to another.
type Cache interface {
	// Load returns what was saved last. Where nothing was, the error matches fs.ErrNotExist.
	Load(ctx context.Context) ([]byte, error)
	// Save replaces it, all or nothing.
	Save(ctx context.Context, data []byte) error
}

// FileCache keeps the blob in the file at path, which only its owner can read
// (0600), replaced atomically and synced. The directory must exist. A file that
// others can read or write, or that is no regular file, is not loaded.
func FileCache(path string) Cache { return fileCache(path) }

type fileCache string

func (c fileCache) Load(context.Context) ([]byte, error) {
	// Lstat first: opening a FIFO would block.
	info, err := os.Lstat(string(c))
	if err != nil {
		return nil, fmt.Errorf("source: cache: %w", err)
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("source: cache: %s: %w: want a regular file with mode 0600", string(c), ErrInvalid)
	}
	f, err := os.Open(string(c))
	if err != nil {
		return nil, fmt.Errorf("source: cache: %w", err)
	}
	defer f.Close()
	const limit = 16 * MaxSize
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("source: cache: %w", err)
	}
	if len(data) > limit {
		return nil, fmt.Errorf("source: cache: %s: %w: longer than %d bytes", string(c), ErrInvalid, limit)
	}
	return data, nil
}

func (c fileCache) Save(_ context.Context, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(string(c)), filepath.Base(string(c))+".tmp*") // mode 0600
	if err != nil {
		return fmt.Errorf("source: cache: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("source: cache: %w", err), ignoreMissing(os.Remove(f.Name())))
		}
	}()
	if _, err = f.Write(data); err != nil {
		_ = f.Close()
		return err
	}
	if err = errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), string(c))
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
