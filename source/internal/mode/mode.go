// Package mode says who may read and write a file.
package mode

import (
	"io/fs"
	"runtime"
)

// Perm returns the permission bits of info. On Windows it returns those of the owner alone:
// there package os derives all bits from one attribute, so those of the group and of others
// mean nothing.
func Perm(info fs.FileInfo) fs.FileMode { return perm(info.Mode(), runtime.GOOS) }

func perm(mode fs.FileMode, goos string) fs.FileMode {
	if goos == "windows" {
		return mode & 0o700
	}
	return mode.Perm()
}
