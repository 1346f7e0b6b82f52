package file_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/rollingkeys/rollingkeys/source/file"
)

// F01: a watch of the file alone gets no more events after the first swap.
func TestServesEveryKubeletSwap(t *testing.T) {
	for _, keep := range []bool{false, true} {
		t.Run(fmt.Sprintf("keep=%v", keep), func(t *testing.T) {
			v := newVolume(t, map[string]string{"key": "sentinel-v0"})
			v.keep = keep
			src := file.New(filepath.Join(v.dir, "key"))
			wantSecret(t, src, "sentinel-v0")
			changed := watching(t, src)
			for i := range 20 {
				v.swap(map[string]string{"key": fmt.Sprintf("sentinel-v%d", i+1)})
				served(t, src, changed, fmt.Sprintf("sentinel-v%d", i+1), fmt.Sprintf("sentinel-v%d", i))
			}
		})
	}
}

// F06: while a process has the old inode open, a rename over the file causes only a CHMOD
// event on the watch of the file itself.
func TestServesRenameOverOpenFile(t *testing.T) {
	path := tempFile(t, "sentinel-v0")
	src := file.New(path)
	changed := watching(t, src)
	for i := range 5 {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		replace(t, path, fmt.Sprintf("sentinel-v%d", i+1))
		served(t, src, changed, fmt.Sprintf("sentinel-v%d", i+1), fmt.Sprintf("sentinel-v%d", i))
		f.Close()
	}
}

// F07
func TestServesRecreatedFile(t *testing.T) {
	path := tempFile(t, "sentinel-v1")
	src := file.New(path)
	wantSecret(t, src, "sentinel-v1")
	changed := watching(t, src)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	<-changed
	write(t, path, "sentinel-v2")
	served(t, src, changed, "sentinel-v2")
}

// F08
func TestWaitsForDirectory(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "a", "b")
	path := filepath.Join(dir, "key")
	src := file.New(path)
	changed := watching(t, src)
	mkdir(t, dir)
	write(t, path, "sentinel-v1")
	served(t, src, changed, "sentinel-v1")

	if err := os.Rename(dir, dir+".old"); err != nil {
		t.Fatal(err)
	}
	mkdir(t, dir)
	write(t, path, "sentinel-v2")
	served(t, src, changed, "sentinel-v2", "sentinel-v1")
	write(t, path, "sentinel-v3") // the new directory must be watched by now
	served(t, src, changed, "sentinel-v3", "sentinel-v2")

	if err := os.RemoveAll(filepath.Join(base, "a")); err != nil {
		t.Fatal(err)
	}
	<-changed
	mkdir(t, dir)
	write(t, path, "sentinel-v4")
	served(t, src, changed, "sentinel-v4", "sentinel-v3")
}

// F09
func TestServesRepointedDirectoryLink(t *testing.T) {
	base := t.TempDir()
	current := filepath.Join(base, "current")
	point := func(to string) {
		t.Helper()
		if err := os.Symlink(to, current+".tmp"); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(current+".tmp", current); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3 {
		dir := filepath.Join(base, fmt.Sprintf("rel%d", i))
		mkdir(t, dir)
		write(t, filepath.Join(dir, "key"), fmt.Sprintf("sentinel-v%d", i))
	}
	point("rel0")
	src := file.New(filepath.Join(current, "key"))
	wantSecret(t, src, "sentinel-v0")
	changed := watching(t, src)
	point("rel1")
	served(t, src, changed, "sentinel-v1", "sentinel-v0")
	point(filepath.Join(base, "rel2")) // this time by an absolute path
	served(t, src, changed, "sentinel-v2", "sentinel-v1")
	write(t, filepath.Join(base, "rel2", "key"), "sentinel-v3")
	served(t, src, changed, "sentinel-v3", "sentinel-v2")
}

// F10: two paths lead to one directory, which one watcher watches.
func TestTwoPathsToOneDirectory(t *testing.T) {
	base := t.TempDir()
	real := filepath.Join(base, "real")
	mkdir(t, real)
	if err := os.Symlink("real", filepath.Join(base, "link")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(real, "key"), "sentinel-v0")
	one, two := file.New(filepath.Join(real, "key")), file.New(filepath.Join(base, "link", "key"))
	changed1, changed2 := watching(t, one), watching(t, two)
	for i := range 5 {
		want, before := fmt.Sprintf("sentinel-v%d", i+1), fmt.Sprintf("sentinel-v%d", i)
		replace(t, filepath.Join(real, "key"), want)
		served(t, one, changed1, want, before)
		served(t, two, changed2, want, before)
	}
}

// F23
func TestRecoversFromLinkLoop(t *testing.T) {
	dir := t.TempDir()
	link := func(from, to string) {
		t.Helper()
		_ = os.Remove(filepath.Join(dir, from))
		if err := os.Symlink(to, filepath.Join(dir, from)); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(dir, "key"), "sentinel-v1")
	link("a", "key")
	src := file.New(filepath.Join(dir, "a"))
	wantSecret(t, src, "sentinel-v1")
	changed := watching(t, src)
	link("a", "b")
	link("b", "a")
	wantUnreadable(t, src)
	link("b", "key")
	write(t, filepath.Join(dir, "key"), "sentinel-v2")
	served(t, src, changed, "sentinel-v2", "sentinel-v1")
}

func mkdir(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
}
