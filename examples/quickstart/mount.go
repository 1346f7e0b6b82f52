package main

import (
	"os"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance/kubelet"
)

// A mount is one key in a directory, mounted as the kubelet does.
type mount struct {
	dir string
	vol *kubelet.Volume
}

const keyFile = "api-key"

func newMount(content string) (*mount, error) {
	dir, err := os.MkdirTemp("", "rollingkeys-quickstart-")
	if err != nil {
		return nil, err
	}
	vol, err := kubelet.Mount(dir, map[string]string{keyFile: content})
	m := &mount{dir, vol}
	if err != nil {
		m.remove()
		return nil, err
	}
	return m, nil
}

func (m *mount) path() string { return m.vol.Path(keyFile) }

func (m *mount) remove() { _ = os.RemoveAll(m.dir) }

// swap replaces the content as the kubelet does.
func (m *mount) swap(content string) error { return m.vol.Swap(map[string]string{keyFile: content}) }

// scribble replaces the content in the wrong way: in place and in two halves.
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
