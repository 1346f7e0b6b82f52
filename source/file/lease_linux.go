package file

import (
	"os"
	"syscall"
)

// From fcntl.h; package syscall does not have all of them.
const (
	fSetSig   = 10
	fSetLease = 1024
)

// readWhole runs read while nobody has f open for writing, if that can be had:
// a read lease is granted only then, and whoever opens the file for writing
// while we hold it waits for us. Needs the file to be ours or CAP_LEASE, and a
// file system with leases.
func readWhole(f *os.File, read func() error) (w writers, err error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return writersUnknown, err
	}
	ctlErr := conn.Control(func(fd uintptr) {
		// A lease that is broken raises SIGIO, which ends a process that does
		// not expect it. SIGURG is ignored by default, and the Go runtime takes
		// it for a spurious wake-up.
		if fcntl(fd, fSetSig, uintptr(syscall.SIGURG)) != 0 {
			w, err = writersUnknown, read()
			return
		}
		switch fcntl(fd, fSetLease, syscall.F_RDLCK) {
		case 0:
			w, err = writersNone, read()
			if fcntl(fd, fSetLease, syscall.F_UNLCK) != 0 {
				w = writersSome // F05: the kernel took the lease back and let a writer in
			}
		case syscall.EAGAIN:
			w = writersSome
		default:
			w, err = writersUnknown, read()
		}
	})
	if ctlErr != nil {
		return writersUnknown, ctlErr
	}
	return w, err
}

func fcntl(fd, cmd, arg uintptr) syscall.Errno {
	_, _, errno := syscall.Syscall(syscall.SYS_FCNTL, fd, cmd, arg)
	return errno
}
