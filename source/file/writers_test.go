package file_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/file"
)

// F25, F07: the ways in which editors and shells write a file. Each ends with v2, and until
// then the source returns v1 or an error.
func TestServesWhatToolsWrite(t *testing.T) {
	for name, script := range map[string]string{
		"shell redirection": `printf sentinel-v2 > key`,
		"sed -i":            `sed -i s/v1/v2/ key`,
		"cp":                `printf sentinel-v2 > other; cp other key; rm other`,
		"mv":                `printf sentinel-v2 > other; mv other key`,
		"install":           `printf sentinel-v2 > other; install -m 600 other key`,
		"vim":               `touch 4913; rm 4913; printf sentinel-v1 > .key.swp; mv key key~; printf sentinel-v2 > key; chmod 600 key; rm key~ .key.swp`,
		"vim in place":      `printf sentinel-v1 > key~; printf sentinel-v2 > key; rm key~`,
		"emacs":             `ln -s user@host.1 .#key; mv key key~; printf sentinel-v2 > key; rm .#key`,
		"ln -sf":            `printf sentinel-v2 > key2; ln -sf key2 key`,
		"remove and write":  `rm key; printf sentinel-v2 > key`,
		"dd":                `printf sentinel-v2 | dd of=key bs=1 status=none`,
		"hard link":         `printf sentinel-v2 > other; ln -f other key`,
	} {
		t.Run(name, func(t *testing.T) {
			path := tempFile(t, "sentinel-v1")
			src := file.New(path)
			wantSecret(t, src, "sentinel-v1")
			changed := watching(t, src)
			run(t, path, script)
			served(t, src, changed, "sentinel-v2", "sentinel-v1")
		})
	}
}

// F02: a single file is mounted into a container. The file is written by its path on the
// host, so its directory in the container gets no event.
func TestServesBindMountedFile(t *testing.T) {
	host, path := tempFile(t, "sentinel-v1"), tempFile(t, "")
	if err := exec.Command("mount", "--bind", host, path).Run(); err != nil {
		t.Skip("may not mount")
	}
	t.Cleanup(func() { _ = exec.Command("umount", path).Run() })
	src := file.New(path)
	wantSecret(t, src, "sentinel-v1")
	changed := watching(t, src)
	write(t, host, "sentinel-v2")
	served(t, src, changed, "sentinel-v2", "sentinel-v1")
}

func run(t *testing.T, path, script string) {
	t.Helper()
	cmd := exec.Command("sh", "-ec", script)
	cmd.Dir = filepath.Dir(path)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
}

var _ source.Notifier = (*file.Source)(nil)
