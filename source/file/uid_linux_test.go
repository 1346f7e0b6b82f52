package file_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/file"
)

// asNobody gives up root's rights until the test ends or back is called.
func asNobody(t *testing.T) (back func()) {
	t.Helper()
	set := func(uid int) {
		if err := syscall.Setresuid(-1, uid, -1); err != nil {
			t.Fatal(err)
		}
	}
	me := os.Geteuid()
	if me != 0 {
		return func() {}
	}
	set(65534)
	t.Cleanup(func() { set(me) })
	return func() { set(me) }
}

// F17: the file cannot be read (EACCES), and later it can.
func TestDenied(t *testing.T) {
	path := tempFile(t, "sentinel-v1")
	if err := errors.Join(os.Chmod(path, 0), os.Chmod(filepath.Dir(filepath.Dir(path)), 0o755)); err != nil {
		t.Fatal(err)
	}
	back := asNobody(t)
	src := file.New(path)
	wantError(t, src, source.ErrDenied)
	back()
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	asNobody(t)
	wantSecret(t, src, "sentinel-v1")
}

// F05: a file of another user allows no lease, so the source waits for two equal readings.
func TestSettlesOthersFile(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to make a file that is not ours")
	}
	path := tempFile(t, "sentinel-v1")
	if err := errors.Join(os.Chmod(path, 0o644), os.Chmod(filepath.Dir(filepath.Dir(path)), 0o755)); err != nil {
		t.Fatal(err)
	}
	asNobody(t)
	src := file.New(path)
	readings := 0
	src.OnRead(func(string) { readings++ })
	wantSecret(t, src, "sentinel-v1")
	if readings != 3 {
		t.Fatalf("%d readings; want one to see it, one to take it and one to be sure", readings)
	}
}
