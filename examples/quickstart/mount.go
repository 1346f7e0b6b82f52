package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// mount is a volume as the kubelet writes one: the files lie in a directory of
// their own for each version, "..data" links to it, and a new version comes by
// one rename of that link.
type mount struct {
	dir, file string
	n         int
}

func newMount(file, content string) (*mount, error) {
	dir, err := os.MkdirTemp("", "rollingkeys-quickstart-")
	if err != nil {
		return nil, err
	}
	m := &mount{dir: dir, file: file}
	if err := m.swap(content); err != nil {
		m.remove()
		return nil, err
	}
	if err := os.Symlink(filepath.Join("..data", file), m.path()); err != nil {
		m.remove()
		return nil, err
	}
	return m, nil
}

func (m *mount) path() string { return filepath.Join(m.dir, m.file) }

func (m *mount) remove() { _ = os.RemoveAll(m.dir) }

// swap replaces the content the kubelet's way.
func (m *mount) swap(content string) error {
	m.n++
	name := fmt.Sprintf("..%s.%d", time.Now().Format("2006_01_02_15_04_05"), m.n)
	if err := os.Mkdir(filepath.Join(m.dir, name), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(m.dir, name, m.file), []byte(content), 0o600); err != nil {
		return err
	}
	link, tmp := filepath.Join(m.dir, "..data"), filepath.Join(m.dir, "..data_tmp")
	old, _ := os.Readlink(link)
	if err := os.Symlink(name, tmp); err != nil {
		return err
	}
	if err := os.Rename(tmp, link); err != nil {
		return err
	}
	if old != "" {
		return os.RemoveAll(filepath.Join(m.dir, old))
	}
	return nil
}

// scribble replaces the content the wrong way: in place, in two halves.
func (m *mount) scribble(content string, between time.Duration) error {
	f, err := os.OpenFile(m.path(), os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	half := len(content) / 2
	if _, err := f.WriteString(content[:half]); err != nil {
		_ = f.Close()
		return err
	}
	time.Sleep(between)
	if _, err := f.WriteString(content[half:]); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}
