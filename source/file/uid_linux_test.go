package file_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
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

// Another user could choose the key: the file is theirs, or they may replace it in a
// directory on the path or on that of a link. Files as the kubelet and systemd mount them
// are taken.
//
// F177
func TestStrictAboutOwners(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to make files that are not ours")
	}
	const other = 65534
	for name, c := range map[string]struct {
		set func(dir, link, path string) error
		err string // empty: accepted
	}{
		"ours":                {func(_, _, _ string) error { return nil }, ""},
		"another's file":      {func(_, _, path string) error { return os.Chown(path, other, -1) }, "the file belongs to another user"},
		"another's directory": {func(dir, _, _ string) error { return os.Chown(dir, other, -1) }, "belongs to another user"},
		"open directory":      {func(dir, _, _ string) error { return os.Chmod(dir, 0o777) }, "mode 0777"},
		"group's directory":   {func(dir, _, _ string) error { return os.Chmod(dir, 0o775) }, "mode 0775"},
		"directory above":     {func(dir, _, _ string) error { return os.Chmod(filepath.Dir(dir), 0o777) }, "mode 0777"},
		"directory of a link": {func(_, link, _ string) error { return os.Chmod(filepath.Dir(link), 0o777) }, "mode 0777"},
		"sticky":              {func(dir, _, _ string) error { return os.Chmod(dir, 0o777|os.ModeSticky) }, ""},
		"kubelet, fsGroup": {func(dir, _, path string) error {
			return errors.Join(os.Chown(dir, 0, other), os.Chmod(dir, 0o777|os.ModeSticky|os.ModeSetgid), os.Chown(path, 0, other), os.Chmod(path, 0o440))
		}, ""},
		"systemd credential": {func(dir, _, path string) error {
			return errors.Join(os.Chmod(dir, 0o500), os.Chmod(path, 0o400))
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			top := t.TempDir()
			dir, links := filepath.Join(top, "above", "keys"), filepath.Join(top, "links")
			path, link := filepath.Join(dir, "key"), filepath.Join(links, "key")
			if err := errors.Join(os.Chmod(top, 0o755), os.MkdirAll(dir, 0o755), os.Mkdir(links, 0o755), os.Symlink(path, link)); err != nil {
				t.Fatal(err)
			}
			for _, d := range []string{dir, filepath.Dir(dir), links} { // whatever the umask
				if err := os.Chmod(d, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			write(t, path, "sentinel-v1")
			if err := c.set(dir, link, path); err != nil {
				t.Fatal(err)
			}
			src := file.New(link, file.WithStrictPermissions())
			if c.err == "" {
				wantSecret(t, src, "sentinel-v1")
				return
			}
			wantError(t, src, source.ErrInvalid, "sentinel")
			if _, err := src.Read(t.Context()); !strings.Contains(err.Error(), c.err) {
				t.Errorf("error %v, want %q in it", err, c.err)
			}
			wantSecret(t, file.New(link), "sentinel-v1")
		})
	}
	// A process of another user takes root's file, as from a mounted Secret, and its own.
	path := tempFile(t, "sentinel-v1")
	dir := filepath.Dir(path)
	if err := errors.Join(os.Chmod(filepath.Dir(dir), 0o755), os.Chmod(dir, 0o755), os.Chown(path, 0, os.Getegid()), os.Chmod(path, 0o440)); err != nil {
		t.Fatal(err)
	}
	back := asNobody(t)
	wantSecret(t, file.New(path, file.WithStrictPermissions()), "sentinel-v1")
	back()
	if err := os.Chown(path, other, -1); err != nil {
		t.Fatal(err)
	}
	asNobody(t)
	wantSecret(t, file.New(path, file.WithStrictPermissions()), "sentinel-v1")
}

// A shell passes a pipe as /dev/fd/N. The error says what it is, not that the file was
// replaced.
//
// F182
func TestPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	src := file.New(fmt.Sprintf("/dev/fd/%d", r.Fd()))
	wantError(t, src, source.ErrInvalid)
	if _, err := src.Read(t.Context()); !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("error %v", err)
	}
}
