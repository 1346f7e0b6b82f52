package file_test

import (
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/source/file"
)

// F05: without leases the source does not accept content that changes between two readings.
func TestSettlesWithoutLeases(t *testing.T) {
	t.Cleanup(file.WithoutLeases())
	path := tempFile(t, "old")
	src := file.New(path)
	wantSecret(t, src, "old")
	src.SetPatience(time.Minute)
	steps := []string{"new-", "new-key", "new-key-whole"}
	src.OnRead(func(string) {
		if len(steps) > 0 {
			write(t, path, steps[0]) // between the first and the second reading
			steps = steps[1:]
		}
	})
	write(t, path, "n")
	wantSecret(t, src, "new-key-whole")
}

// F01: after a switched link the source does not wait. It reads three times: once to notice
// the change, once to read the new content, once to be sure of it.
func TestSwitchedLinkNeedsNoSettling(t *testing.T) {
	t.Cleanup(file.WithoutLeases())
	v := newVolume(t, map[string]string{"api-key": "id", "api-secret": "sentinel-v1"})
	src := file.Dir(v.dir)
	wantSecret(t, src, "sentinel-v1")
	v.swap(map[string]string{"api-key": "id", "api-secret": "sentinel-v2"}) // the id is the same as before: this is not half a change
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

// F05: with a lease the source does not wait either. It reads twice: once to notice the
// change, and once under the lease.
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
	// The source has given the lease back: a writer with O_NONBLOCK can open the file.
	f, err := os.OpenFile(path, os.O_WRONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
}
