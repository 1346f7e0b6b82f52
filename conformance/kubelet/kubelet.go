// Package kubelet mounts keys the way the kubelet mounts a Secret, for tests and
// examples: the files lie in a directory of their own for each version, "..data"
// links to it, and all of a new version come by one rename of that link
// (Kubernetes, pkg/volume/util/atomic_writer.go).
//
//	v, err := kubelet.Mount(dir, kubelet.Files(key))
//	err = v.Swap(kubelet.Files(next))
package kubelet

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
)

// A Volume is a mounted directory. It is not safe for concurrent use: there is
// one kubelet.
type Volume struct {
	dir   string
	swaps int
}

// Mount fills the empty directory dir with files, content by name. The files have
// mode 0600.
func Mount(dir string, files map[string]string) (*Volume, error) {
	v := &Volume{dir: dir}
	return v, v.Swap(files)
}

// Files are the files that source/file.Dir reads a key from: "api-key",
// "api-secret" and, if the key has one, "passphrase".
func Files(key source.Key) map[string]string {
	files := map[string]string{"api-key": key.ID, "api-secret": key.Secret.Expose()}
	if p, ok := key.Extra["passphrase"]; ok {
		files["passphrase"] = p.Expose()
	}
	return files
}

// Dir returns the directory.
func (v *Volume) Dir() string { return v.dir }

// Path returns the path of the named file, as a program sees it.
func (v *Volume) Path(file string) string { return filepath.Join(v.dir, file) }

// Swap replaces all files at once and removes the old ones.
func (v *Volume) Swap(files map[string]string) error {
	v.swaps++
	name := fmt.Sprintf("..%s.%09d", time.Now().Format("2006_01_02_15_04_05"), v.swaps)
	if err := os.Mkdir(v.Path(name), 0o700); err != nil {
		return err
	}
	for file, content := range files {
		if err := os.WriteFile(filepath.Join(v.Path(name), file), []byte(content), 0o600); err != nil {
			return err
		}
	}
	old, err := os.Readlink(v.Path("..data"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(name, v.Path("..data_tmp")); err != nil {
		return err
	}
	if err := os.Rename(v.Path("..data_tmp"), v.Path("..data")); err != nil {
		return err
	}
	for file := range files {
		if err := os.Symlink(filepath.Join("..data", file), v.Path(file)); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	if old == "" {
		return nil
	}
	return os.RemoveAll(v.Path(old))
}
