package kubelet_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rollingkeys/rollingkeys/conformance/kubelet"
)

// F01, F26: a program that resolves "..data" once finds files of one version only.
// Swap removes the files of the version before.
func TestSwap(t *testing.T) {
	dir := t.TempDir()
	v, err := kubelet.Mount(dir, map[string]string{"a": "1", "b": "1"})
	if err != nil {
		t.Fatal(err)
	}
	first, err := os.Readlink(v.Path("..data"))
	if err != nil {
		t.Fatal(err)
	}
	for _, content := range []string{"2", "3"} {
		if err := v.Swap(map[string]string{"a": content, "b": content}); err != nil {
			t.Fatal(err)
		}
		for _, file := range []string{"a", "b"} {
			if data, err := os.ReadFile(v.Path(file)); err != nil || string(data) != content {
				t.Errorf("%s: %q, %v", file, data, err)
			}
			if link, err := os.Readlink(v.Path(file)); err != nil || link != filepath.Join("..data", file) {
				t.Errorf("%s links to %q, %v", file, link, err)
			}
		}
	}
	if _, err := os.Stat(v.Path(first)); !os.IsNotExist(err) {
		t.Errorf("the first version is still there: %v", err)
	}
	if err := v.Swap(map[string]string{"no/such": "x"}); err == nil {
		t.Error("Swap wrote a file into a directory that does not exist")
	}
}
