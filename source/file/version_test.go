package file_test

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/source/file"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// replaceAt renames a new file with the modification time at over path. Tools such as cp -p,
// rsync -a and tar leave such times.
func replaceAt(t *testing.T, path, text string, at time.Time) {
	t.Helper()
	write(t, path+".new", text)
	if err := errors.Join(os.Chtimes(path+".new", at, at), os.Rename(path+".new", path)); err != nil {
		t.Fatal(err)
	}
}

// Each key gets a name of its own, made from the time at which the content changed, even if
// all files have the same modification time or the last file has the earliest.
//
// F15, F91
func TestNamesWhateverTheModificationTime(t *testing.T) {
	for name, at := range map[string]func(i int) time.Time{
		"all the same": func(int) time.Time { return time.Unix(1, 0) },
		"ever older":   func(i int) time.Time { return time.Unix(1e9-int64(i), 0) },
	} {
		t.Run(name, func(t *testing.T) {
			path := tempFile(t, "sentinel-0")
			keys, _ := keep(t, file.New(path), ring.WithPoll(time.Hour), ring.WithOverlap(0))
			seen := map[string]string{keys.Version(): "sentinel-0"}
			for i := 1; i < 20; i++ {
				before := time.Now().Truncate(time.Millisecond)
				text := fmt.Sprintf("sentinel-%d", i)
				replaceAt(t, path, text, at(i))
				if err := keys.Refresh(t.Context()); err != nil {
					t.Fatal(err)
				}
				wantCurrent(t, keys, text)
				version := keys.Version()
				if was, twice := seen[version]; twice {
					t.Fatalf("%s stands for key %d and was that of %s", version, i, was)
				}
				seen[version] = text
				named, err := time.Parse("20060102T150405.000Z", version[:len("20060102T150405.000Z")])
				if err != nil || named.Before(before) || named.After(time.Now()) {
					t.Errorf("key %d, of %v, is named %s", i, before, version)
				}
			}
		})
	}
}

// A modification time later than those before names the version.
func TestNameOfTheModificationTime(t *testing.T) {
	path := tempFile(t, "sentinel-0")
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	replaceAt(t, path, "sentinel-1", at)
	keys, events := keep(t, file.New(path), ring.WithPoll(time.Hour))
	replaceAt(t, path, "sentinel-2", at.Add(time.Minute))
	e := expect(t, events, ring.Switched)
	if e.Previous != "20261123T120000.000Z" || e.Version != "20261123T120100.000Z" || keys.Version() != e.Version {
		t.Errorf("named %s, then %s", e.Previous, e.Version)
	}
}

// WithoutRollback does not refuse a new key because its file is older than that of the key
// before. It refuses only keys that were current before.
//
// F90
func TestAnOlderFileIsNoRollback(t *testing.T) {
	path := tempFile(t, "sentinel-1")
	keys, _ := keep(t, file.New(path), ring.WithPoll(time.Hour), ring.WithoutRollback())
	replaceAt(t, path, "sentinel-2", time.Now().Add(-time.Hour))
	if err := keys.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantCurrent(t, keys, "sentinel-2")
	replaceAt(t, path, "sentinel-1", time.Now().Add(time.Hour))
	if err := keys.Refresh(t.Context()); !errors.Is(err, ring.ErrRollback) {
		t.Errorf("error %v", err)
	}
	wantCurrent(t, keys, "sentinel-2")
}
