package file

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A target is something whose change may change what a path leads to: the entry
// called name of the directory dir, or dir itself where name is empty. Directories are
// free of symbolic links, so that two ways to one directory are one (F10).
type target struct{ dir, name string }

// maxLinks is how many symbolic links a path may go through; Linux has 40 too.
const maxLinks = 40

// chain appends the targets of an absolute path: every symbolic link on the way
// (F01, F09), and the file and its directory (F02). Where the path ends early,
// it is the entry that is missing, in the nearest directory that exists (F08).
func chain(targets []target, path string) []target {
	root := filepath.VolumeName(path) + string(filepath.Separator)
	dir, rest := root, elements(path)
	for links := 0; len(rest) > 0; {
		name := rest[0]
		rest = rest[1:]
		if name == ".." {
			dir = filepath.Dir(dir)
			continue
		}
		at := filepath.Join(dir, name)
		info, err := os.Lstat(at)
		switch {
		case err != nil:
			return append(targets, target{dir, name}, target{dir, ""})
		case info.Mode()&fs.ModeSymlink != 0:
			targets = append(targets, target{dir, name}, target{dir, ""})
			to, err := os.Readlink(at)
			if links++; err != nil || links > maxLinks {
				return targets // F23: repaired by changing one of the links
			}
			if filepath.IsAbs(to) {
				dir = root
			}
			rest = slices.Concat(elements(to), rest)
		case info.IsDir() && len(rest) > 0:
			dir = at
		default:
			return append(targets, target{dir, name}, target{dir, ""}, target{at, ""})
		}
	}
	return append(targets, target{dir, ""})
}

func elements(path string) []string {
	path = path[len(filepath.VolumeName(path)):]
	return slices.DeleteFunc(strings.Split(filepath.ToSlash(path), "/"), func(e string) bool { return e == "" || e == "." })
}
