package file

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A target is a place whose change may change what a path leads to. It is the entry called
// name in the directory dir, or dir itself if name is empty. dir contains no symbolic links,
// so that two paths to one directory have the same target (F10).
type target struct{ dir, name string }

// maxLinks is how many symbolic links a path may go through. It is the limit of Linux.
const maxLinks = 40

// chain appends the targets of an absolute path: every symbolic link on the path (F01,
// F09), the file and its directory (F02). If a part of the path does not exist, the last
// target is the missing entry in the nearest directory that exists (F08).
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
				return targets // F23: a loop. Only a change of one of the links can repair it.
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
