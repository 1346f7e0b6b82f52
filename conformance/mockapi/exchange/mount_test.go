package exchange_test

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rollingkeys/rollingkeys/source"
)

// A mount is a volume with the files of a key, replaced as the kubelet does: by
// one rename of the link "..data".
type mount struct {
	dir string
	n   int
}

func newMount(t testing.TB, key source.Key) *mount {
	t.Helper()
	m := &mount{dir: t.TempDir()}
	m.swap(t, key)
	for name := range files(key) {
		if err := os.Symlink(filepath.Join("..data", name), filepath.Join(m.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func files(key source.Key) map[string]string {
	f := map[string]string{"api-key": key.ID, "api-secret": key.Secret.Expose()}
	if p, ok := key.Extra["passphrase"]; ok {
		f["passphrase"] = p.Expose()
	}
	return f
}

func (m *mount) swap(t testing.TB, key source.Key) {
	t.Helper()
	m.n++
	name := "..version-" + strconv.Itoa(m.n)
	link, next := filepath.Join(m.dir, "..data"), filepath.Join(m.dir, "..data_tmp")
	old, _ := os.Readlink(link)
	err := os.Mkdir(filepath.Join(m.dir, name), 0o700)
	for file, text := range files(key) {
		if err == nil {
			err = os.WriteFile(filepath.Join(m.dir, name, file), []byte(text), 0o600)
		}
	}
	if err == nil {
		err = os.Symlink(name, next)
	}
	if err == nil {
		err = os.Rename(next, link)
	}
	if err == nil && old != "" {
		err = os.RemoveAll(filepath.Join(m.dir, old))
	}
	if err != nil {
		t.Fatal(err)
	}
}
