package file_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A volume replaces the files of a directory as the kubelet does for a mounted Secret
// (pkg/volume/util/atomic_writer.go of Kubernetes): it makes a new directory with a time in
// its name, switches the link ..data to it by a rename, and removes the old directory.
type volume struct {
	t     testing.TB
	dir   string
	count int
	keep  bool // do not remove the old directories

	switched time.Time // when the link was switched last
}

func newVolume(t testing.TB, files map[string]string) *volume {
	t.Helper()
	v := &volume{t: t, dir: t.TempDir()}
	v.swap(files)
	return v
}

func (v *volume) swap(files map[string]string) {
	v.t.Helper()
	v.count++
	old, _ := os.Readlink(filepath.Join(v.dir, "..data"))
	name := fmt.Sprintf("..2026_11_23_12_00_00.%09d", v.count)
	v.must(os.Mkdir(filepath.Join(v.dir, name), 0o755))
	for f, text := range files {
		v.must(os.WriteFile(filepath.Join(v.dir, name, f), []byte(text), 0o644))
	}
	tmp := filepath.Join(v.dir, "..data_tmp")
	v.must(os.Symlink(name, tmp))
	v.switched = time.Now()
	v.must(os.Rename(tmp, filepath.Join(v.dir, "..data")))
	for f := range files {
		if _, err := os.Lstat(filepath.Join(v.dir, f)); err != nil {
			v.must(os.Symlink(filepath.Join("..data", f), filepath.Join(v.dir, f)))
		}
	}
	if old != "" && !v.keep {
		v.must(os.RemoveAll(filepath.Join(v.dir, old)))
	}
}

func (v *volume) must(err error) {
	v.t.Helper()
	if err != nil {
		v.t.Fatal(err)
	}
}
