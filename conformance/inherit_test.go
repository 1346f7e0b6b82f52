package conformance_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source/file"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// F111: a child process that is started while a file is watched inherits no
// descriptor: neither the inotify watch nor an open key or cache file.
func TestNoDescriptorIsInherited(t *testing.T) {
	if _, err := os.Stat("/proc/self/fd"); err != nil {
		t.Skip("this system has no /proc/self/fd")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "key")
	write := func(n int) {
		if err := os.WriteFile(path, []byte(conformance.NewKey(n).Secret.Expose()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(1)
	keys, err := ring.Keep(t.Context(), file.New(path), ring.WithLogger(nil), ring.WithCache(ring.FileCache(filepath.Join(dir, "cache"))))
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close()
	inherited := func() string {
		out, err := exec.Command("ls", "-l", "/proc/self/fd").Output()
		if err != nil {
			t.Fatal(err)
		}
		var ours []string
		for line := range strings.Lines(string(out)) {
			if _, to, ok := strings.Cut(line, " -> "); ok && (strings.Contains(to, "inotify") || strings.HasPrefix(to, dir)) {
				ours = append(ours, strings.TrimSpace(to))
			}
		}
		return strings.Join(ours, " ")
	}
	for n := 2; n <= 5; n++ { // while the ring reads and writes files, and after
		write(n)
		if list := inherited(); list != "" {
			t.Fatalf("a child process inherited %s", list)
		}
	}
	// The check itself works: it finds a descriptor without close-on-exec.
	fd, err := syscall.Open(path, syscall.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if inherited() == "" {
		t.Error("the check does not find a descriptor without close-on-exec")
	}
}
