package file_test

import (
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/source/file"
)

// F05: where nobody can say who is writing, what changes between two readings
// is not taken.
func TestSettlesWithoutLeases(t *testing.T) {
	t.Cleanup(file.WithoutLeases())
	path := tempFile(t, "old")
	src := file.New(path)
	wantSecret(t, src, "old")
	src.SetPatience(time.Minute)
	steps := []string{"new-", "new-key", "new-key-whole"}
	src.OnRead(func(string) {
		if len(steps) > 0 {
			write(t, path, steps[0]) // after it was read, before it is read again
			steps = steps[1:]
		}
	})
	write(t, path, "n")
	wantSecret(t, src, "new-key-whole")
}

// F01: a link that was switched needs no settling: one reading to see that there
// is something new, one to take it, one to be sure.
func TestSwitchedLinkNeedsNoSettling(t *testing.T) {
	t.Cleanup(file.WithoutLeases())
	v := newVolume(t, map[string]string{"api-key": "id", "api-secret": "sentinel-v1"})
	src := file.Dir(v.dir)
	wantSecret(t, src, "sentinel-v1")
	v.swap(map[string]string{"api-key": "id", "api-secret": "sentinel-v2"}) // the id stays: no half of anything
	readings := 0
	src.OnRead(func(name string) {
		if name == "passphrase" {
			readings++
		}
	})
	wantSecret(t, src, "sentinel-v2")
	if readings != 3 {
		t.Fatalf("%d readings", readings)
	}
	wantSecret(t, src, "sentinel-v2")
	if readings != 4 {
		t.Fatalf("%d readings for content that had not changed", readings-3)
	}
}

// F05: with leases there is no settling either: one reading to see that there is
// something new, and one while nobody can write.
func TestLeaseNeedsNoSettling(t *testing.T) {
	path := tempFile(t, "sentinel-v1")
	src := file.New(path)
	readings := 0
	src.OnRead(func(string) { readings++ })
	wantSecret(t, src, "sentinel-v1")
	write(t, path, "sentinel-v2")
	wantSecret(t, src, "sentinel-v2")
	if readings != 4 {
		t.Skipf("%d readings: no leases here", readings)
	}
	// It gives the lease back: a writer that does not want to wait is let in.
	f, err := os.OpenFile(path, os.O_WRONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
}
