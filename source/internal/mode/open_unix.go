//go:build unix

package mode

import (
	"io/fs"
	"syscall"
)

// NonBlock and NoFollow are flags of os.OpenFile: do not wait at a FIFO, and do not follow
// a symbolic link at the end of the path. Systems without them have 0.
const (
	NonBlock = syscall.O_NONBLOCK
	NoFollow = syscall.O_NOFOLLOW
)

// Owner returns the user who owns the file. It reports false if the system cannot tell.
func Owner(info fs.FileInfo) (uid int, ok bool) {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(s.Uid), true
}
