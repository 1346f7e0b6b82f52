//go:build !unix

package mode

import "io/fs"

// NonBlock and NoFollow are flags of os.OpenFile. This system has neither.
const NonBlock, NoFollow = 0, 0

// Owner reports false: this system cannot tell who owns a file.
func Owner(fs.FileInfo) (uid int, ok bool) { return 0, false }
