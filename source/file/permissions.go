package file

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/rollingkeys/rollingkeys/source/internal/mode"
)

// tooOpen returns an error for each file that other users can write and, if strict, for each
// that everybody can read (F24), and for each file or directory through which another user
// can choose the key (F177).
func (r reading) tooOpen(strict bool) []error {
	var found []error
	for _, p := range r {
		if p.missing {
			continue
		}
		at := ""
		if p.name != "" {
			at = p.name + ": "
		}
		switch perm := mode.Perm(p.info); {
		case perm&0o022 != 0:
			found = append(found, fmt.Errorf("%smode %#o lets users other than the owner write the file", at, perm))
		case strict && perm&0o007 != 0:
			found = append(found, fmt.Errorf("%smode %#o lets everybody read the file", at, perm))
		case strict && foreign(p.info):
			found = append(found, fmt.Errorf("%sthe file belongs to another user: want root or the user of this process", at))
		}
	}
	if strict {
		found = append(found, r.openDirs()...)
	}
	return found
}

// openDirs returns an error for each directory on the way to the files, those of symbolic
// links included, in which another user can replace an entry. In a sticky one, such as /tmp,
// only its owner and the entry's can.
func (r reading) openDirs() (found []error) {
	seen := make(map[string]bool)
	for _, p := range r {
		if p.missing {
			continue
		}
		for _, t := range chain(nil, p.path) {
			if t.name == "" {
				continue // a directory that another target names too, or the file itself
			}
			for dir := t.dir; !seen[dir]; dir = filepath.Dir(dir) {
				seen[dir] = true
				info, err := os.Lstat(dir)
				switch {
				case errors.Is(err, fs.ErrNotExist): // it was replaced: another reading follows
				case err != nil:
					found = append(found, err)
				case foreign(info):
					found = append(found, fmt.Errorf("the directory %s belongs to another user: want root or the user of this process", dir))
				case mode.Perm(info)&0o022 != 0 && info.Mode()&fs.ModeSticky == 0:
					found = append(found, fmt.Errorf("the directory %s has mode %#o, which lets other users replace its files: want 0755 or less, or the sticky bit", dir, mode.Perm(info)))
				}
			}
		}
	}
	return found
}

// foreign reports whether the owner is neither root nor the user of this process.
func foreign(info fs.FileInfo) bool {
	uid, known := mode.Owner(info)
	return known && uid != 0 && uid != os.Geteuid()
}
