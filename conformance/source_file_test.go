package conformance_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/file"
)

// F01, F04, F05, F07, F14, F16, F17, F104: one file, replaced by renaming, by
// writing in place, and as in a mounted Kubernetes Secret.
func TestFileSource(t *testing.T) {
	t.Parallel()
	for _, writer := range []string{"rename", "in place", "volume"} {
		t.Run(writer, func(t *testing.T) {
			t.Parallel()
			conformance.TestSource(t, conformance.SourceHarness{
				New: func(t testing.TB) conformance.SourceBackend {
					e := newEntry(t, writer, "key")
					return e.backend(file.New(e.path("key")), oneToken)
				},
				Skip: skipFile(),
			})
		})
	}
}

// oneToken returns the content of a file with one token.
func oneToken(keys ...source.Key) map[string]string {
	if len(keys) == 0 {
		return map[string]string{"key": ""}
	}
	return map[string]string{"key": keys[0].Secret.Expose() + "\n"}
}

// F68: a key document lists its versions.
func TestFileDocumentSource(t *testing.T) {
	t.Parallel()
	conformance.TestSource(t, conformance.SourceHarness{
		New: func(t testing.TB) conformance.SourceBackend {
			e := newEntry(t, "in place", "keys.json")
			return e.backend(file.New(e.path("keys.json"), file.WithDecoder(source.Document)), func(keys ...source.Key) map[string]string {
				data, err := source.EncodeDocument(source.Set{Keys: keys, Complete: true})
				if err != nil {
					t.Fatal(err)
				}
				return map[string]string{"keys.json": string(data)}
			})
		},
		Lists: true,
		Key: func(n int) source.Key {
			key := conformance.NewKey(n)
			key.Metadata = map[string]string{"owner": "conformance"}
			key.Scopes = []string{"read", "trade"}
			return key
		},
		Skip: skipFile(),
	})
}

// F26: an ID and a secret in two files of a mounted volume are read as one key.
func TestFileDirSource(t *testing.T) {
	t.Parallel()
	conformance.TestSource(t, conformance.SourceHarness{
		New: func(t testing.TB) conformance.SourceBackend {
			e := newEntry(t, "volume", "api-key", "api-secret", "passphrase")
			return e.backend(file.Dir(e.dir), func(keys ...source.Key) map[string]string {
				if len(keys) == 0 {
					return map[string]string{"api-key": "", "api-secret": "", "passphrase": ""}
				}
				return map[string]string{
					"api-key":    keys[0].ID,
					"api-secret": keys[0].Secret.Expose(),
					"passphrase": keys[0].Extra["passphrase"].Expose(),
				}
			})
		},
		Key: func(n int) source.Key {
			key := conformance.NewKey(n)
			key.ID = fmt.Sprint("id-", n)
			key.Extra = map[string]source.Secret{"passphrase": conformance.NewKey(1000 + n).Secret}
			return key
		},
		Skip: skipFile(),
	})
}

// skipFile returns the cases that do not apply to local files, and Denied if the
// tests run as root, whom file modes do not restrict.
func skipFile() map[string]string {
	skip := map[string]string{"Hang": "a local file is read at once"}
	if os.Geteuid() == 0 {
		skip["Denied"] = "the test runs as root, whom no file mode stops"
	}
	return skip
}

// entry is a backend of one or more files in a directory.
type entry struct {
	t      testing.TB
	writer string
	dir    string
	names  []string
	swaps  int
	half   *os.File
	broken bool
	last   map[string]string
}

func newEntry(t testing.TB, writer string, names ...string) *entry {
	return &entry{t: t, writer: writer, dir: t.TempDir(), names: names}
}

func (e *entry) path(name string) string { return filepath.Join(e.dir, name) }

func (e *entry) backend(src source.Source, files func(...source.Key) map[string]string) conformance.SourceBackend {
	return conformance.SourceBackend{
		Source:  src,
		Put:     func(keys ...source.Key) { e.write(files(keys...)) },
		Delete:  e.remove,
		Break:   e.breakDown,
		Repair:  e.repair,
		Deny:    func() { e.must(os.Chmod(e.path(e.names[0]), 0)) },
		Restore: func() { e.must(os.Chmod(e.path(e.names[0]), 0o600)) },
		Tear:    func(next source.Key) { e.tear(files(next)) },
	}
}

func (e *entry) must(err error) {
	e.t.Helper()
	if err != nil {
		e.t.Fatal(err)
	}
}

func (e *entry) write(files map[string]string) {
	e.t.Helper()
	if e.half != nil {
		defer func(f *os.File) { e.must(f.Close()) }(e.half)
		e.half = nil
	}
	if e.broken {
		e.clear()
	}
	e.last = files
	if e.writer == "volume" {
		e.swap(files)
		return
	}
	for name, text := range files {
		path := e.path(name)
		if e.writer == "rename" {
			e.must(os.WriteFile(path+".new", []byte(text), 0o600))
			e.must(os.Rename(path+".new", path))
		} else {
			e.must(os.WriteFile(path, []byte(text), 0o600))
		}
	}
}

// swap replaces the files the way the kubelet replaces those of a mounted Secret
// (pkg/volume/util/atomic_writer.go in kubernetes/kubernetes).
func (e *entry) swap(files map[string]string) {
	e.t.Helper()
	e.swaps++
	old, _ := os.Readlink(e.path("..data"))
	name := fmt.Sprintf("..2026_11_23_12_00_00.%09d", e.swaps)
	e.must(os.Mkdir(e.path(name), 0o700))
	for f, text := range files {
		e.must(os.WriteFile(filepath.Join(e.path(name), f), []byte(text), 0o600))
	}
	e.must(os.Symlink(name, e.path("..data_tmp")))
	e.must(os.Rename(e.path("..data_tmp"), e.path("..data")))
	for f := range files {
		if _, err := os.Lstat(e.path(f)); err != nil {
			e.must(os.Symlink(filepath.Join("..data", f), e.path(f)))
		}
	}
	if old != "" {
		e.must(os.RemoveAll(e.path(old)))
	}
}

func (e *entry) remove() {
	e.t.Helper()
	for _, name := range e.names {
		e.must(os.RemoveAll(e.path(name)))
	}
}

// breakDown replaces the files with directories of the same names.
func (e *entry) breakDown() {
	e.t.Helper()
	e.remove()
	e.broken = true
	for _, name := range e.names {
		e.must(os.Mkdir(e.path(name), 0o700))
	}
}

func (e *entry) clear() {
	e.t.Helper()
	e.remove()
	e.broken = false
}

func (e *entry) repair() {
	e.t.Helper()
	e.clear()
	e.write(e.last)
}

// tear leaves the state in the middle of writing: half of the file itself, which
// the writer still has open, or half of the new file or directory that will
// replace the old.
func (e *entry) tear(files map[string]string) {
	e.t.Helper()
	name := e.names[0]
	path := e.path(name)
	if e.writer != "in place" {
		path += ".new"
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	e.must(err)
	_, err = f.WriteString(files[name][:len(files[name])/2])
	e.must(err)
	e.half = f
	e.t.Cleanup(func() { _ = f.Close() })
}
