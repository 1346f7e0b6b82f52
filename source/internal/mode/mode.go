// Package mode says what a file's mode tells of who may use the file.
package mode

import (
	"io/fs"
	"runtime"
)

// Perm returns the permission bits of info, those of the owner alone on Windows:
// there package os makes them all of one attribute, 0666 or 0444, and they say
// nothing about others.
func Perm(info fs.FileInfo) fs.FileMode { return perm(info.Mode(), runtime.GOOS) }

func perm(mode fs.FileMode, goos string) fs.FileMode {
	if goos == "windows" {
		return mode & 0o700
	}
	return mode.Perm()
}
