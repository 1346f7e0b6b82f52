package main

import (
	"os"
	"path/filepath"
	"strconv"

	"github.com/rollingkeys/rollingkeys/source"
)

// A mount is a volume as the kubelet writes one: the files lie in a directory of
// their own for each version, "..data" links to it, and all of a new version come
// by one rename of that link.
type mount struct {
	dir string
	n   int
}

func newMount(key source.Key) (*mount, error) {
	dir, err := os.MkdirTemp("", "rollingkeys-tradingbot-")
	if err != nil {
		return nil, err
	}
	m := &mount{dir: dir}
	if err := m.swap(key); err != nil {
		m.remove()
		return nil, err
	}
	for name := range files(key) {
		if err := os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)); err != nil {
			m.remove()
			return nil, err
		}
	}
	return m, nil
}

func (m *mount) remove() { _ = os.RemoveAll(m.dir) }

// files are those of one key, by name.
func files(key source.Key) map[string]source.Secret {
	f := map[string]source.Secret{"api-key": source.NewSecret(key.ID), "api-secret": key.Secret}
	if p, ok := key.Extra["passphrase"]; ok {
		f["passphrase"] = p
	}
	return f
}

// swap replaces all files at once.
func (m *mount) swap(key source.Key) error {
	m.n++
	name := "..version-" + strconv.Itoa(m.n)
	if err := os.Mkdir(filepath.Join(m.dir, name), 0o700); err != nil {
		return err
	}
	for file, text := range files(key) {
		if err := os.WriteFile(filepath.Join(m.dir, name, file), []byte(text.Expose()), 0o600); err != nil {
			return err
		}
	}
	link, tmp := filepath.Join(m.dir, "..data"), filepath.Join(m.dir, "..data_tmp")
	old, _ := os.Readlink(link)
	if err := os.Symlink(name, tmp); err != nil {
		return err
	}
	if err := os.Rename(tmp, link); err != nil {
		return err
	}
	if old == "" {
		return nil
	}
	return os.RemoveAll(filepath.Join(m.dir, old))
}
