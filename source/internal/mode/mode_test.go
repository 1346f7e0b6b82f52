package mode

import (
	"io/fs"
	"testing"
)

// On Windows every file would seem to be writable by all, and no cache would be loaded.
//
// F24
func TestWindowsSaysNothingOfOthers(t *testing.T) {
	for _, c := range []struct {
		goos       string
		mode, want fs.FileMode
	}{
		{"windows", 0o666, 0o600}, {"windows", 0o444, 0o400},
		{"linux", 0o666, 0o666}, {"linux", 0o600, 0o600}, {"linux", fs.ModeSymlink | 0o777, 0o777},
	} {
		if got := perm(c.mode, c.goos); got != c.want {
			t.Errorf("%s: %o is taken for %o, want %o", c.goos, c.mode, got, c.want)
		}
	}
}
