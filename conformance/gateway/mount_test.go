package gateway_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// A mount is a directory with one file in it, replaced as the kubelet does it
// for a mounted Secret (pkg/volume/util/atomic_writer.go).
type mount struct {
	t     testing.TB
	dir   string
	swaps int
}

func newMount(t testing.TB, text string) *mount {
	m := &mount{t: t, dir: t.TempDir()}
	m.swap(text)
	m.must(os.Symlink(filepath.Join("..data", "key"), m.path()))
	return m
}

func (m *mount) path() string { return filepath.Join(m.dir, "key") }

func (m *mount) swap(text string) {
	m.t.Helper()
	m.swaps++
	data := filepath.Join(m.dir, "..data")
	old, _ := os.Readlink(data)
	name := fmt.Sprintf("..2026_11_23_12_00_00.%09d", m.swaps)
	m.must(os.Mkdir(filepath.Join(m.dir, name), 0o700))
	m.must(os.WriteFile(filepath.Join(m.dir, name, "key"), []byte(text), 0o600))
	m.must(os.Symlink(name, data+"_tmp"))
	m.must(os.Rename(data+"_tmp", data))
	if old != "" {
		m.must(os.RemoveAll(filepath.Join(m.dir, old)))
	}
}

func (m *mount) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}
