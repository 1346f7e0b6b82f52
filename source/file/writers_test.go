package file_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/file"
)

// F25, F07: the ways of editors and shells. Each ends with v2 and brings nothing
// else but v1 and errors.
func TestServesWhatToolsWrite(t *testing.T) {
	for name, script := range map[string]string{
		"shell redirection": `printf v2 > key`,
		"sed -i":            `sed -i s/v1/v2/ key`,
		"cp":                `printf v2 > other; cp other key; rm other`,
		"mv":                `printf v2 > other; mv other key`,
		"install":           `printf v2 > other; install -m 600 other key`,
		"vim":               `touch 4913; rm 4913; printf v1 > .key.swp; mv key key~; printf v2 > key; chmod 600 key; rm key~ .key.swp`,
		"vim in place":      `printf v1 > key~; printf v2 > key; rm key~`,
		"emacs":             `ln -s user@host.1 .#key; mv key key~; printf v2 > key; rm .#key`,
		"ln -sf":            `printf v2 > key2; ln -sf key2 key`,
		"remove and write":  `rm key; printf v2 > key`,
		"dd":                `printf v2 | dd of=key bs=1 status=none`,
		"hard link":         `printf v2 > other; ln -f other key`,
	} {
		t.Run(name, func(t *testing.T) {
			path := tempFile(t, "v1")
			src := file.New(path)
			wantSecret(t, src, "v1")
			changed := watching(t, src)
			run(t, path, script)
			served(t, src, changed, "v2", "v1")
		})
	}
}

// F02: a single file that is mounted into a container. The write goes through
// the other path, so the directory here hears nothing of it.
func TestServesBindMountedFile(t *testing.T) {
	host, path := tempFile(t, "v1"), tempFile(t, "")
	if err := exec.Command("mount", "--bind", host, path).Run(); err != nil {
		t.Skip("may not mount")
	}
	t.Cleanup(func() { _ = exec.Command("umount", path).Run() })
	src := file.New(path)
	wantSecret(t, src, "v1")
	changed := watching(t, src)
	write(t, host, "v2")
	served(t, src, changed, "v2", "v1")
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
