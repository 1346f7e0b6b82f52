// Package kubelet writes keys to a directory the way the kubelet mounts a Secret, for
// tests and examples. The files of each version are in a subdirectory of their own.
// The symbolic link "..data" points to the current one. A new version replaces all
// files at once by renaming the link (pkg/volume/util/atomic_writer.go in
// kubernetes/kubernetes).
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

// A Volume is a mounted directory. It is not safe for concurrent use; programs may
// read the files at any time.
type Volume struct {
	dir   string
	swaps int
}

// Mount writes files, which maps names to contents, to the empty directory dir. The
// files have mode 0600.
func Mount(dir string, files map[string]string) (*Volume, error) {
	v := &Volume{dir: dir}
	return v, v.Swap(files)
}

// Files returns the files of key as file.Dir of package source/file reads them:
// "api-key", "api-secret" and, if the key has one, "passphrase".
func Files(key source.Key) map[string]string {
	files := map[string]string{"api-key": key.ID, "api-secret": key.Secret.Expose()}
	if p, ok := key.Extra["passphrase"]; ok {
		files["passphrase"] = p.Expose()
	}
	return files
}

// Dir returns the mounted directory.
func (v *Volume) Dir() string { return v.dir }

// Path returns the path of the named file in the mounted directory.
func (v *Volume) Path(file string) string { return filepath.Join(v.dir, file) }

// Swap replaces all files at once by files, and removes the old ones.
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
