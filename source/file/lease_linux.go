package file

import (
	"os"
	"syscall"
)

// These values are from fcntl.h. Package syscall does not have them.
const (
	fSetSig   = 10
	fSetLease = 1024
)

// readWhole calls read under a read lease (fcntl(2), F_SETLEASE) and reports whether a
// process had f open for writing. The kernel grants the lease only if no process has. A
// process that opens the file for writing while the lease lasts waits for its end. A lease
// needs a file system that supports it, and a file of the process's own user or
// CAP_LEASE. Without a lease, readWhole calls read and returns writersUnknown.
func readWhole(f *os.File, read func() error) (w writers, err error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return writersUnknown, err
	}
	ctlErr := conn.Control(func(fd uintptr) {
		// The kernel sends SIGIO if another process opens the file, and SIGIO ends a process
		// that does not handle it. SIGURG is ignored by default, and the Go runtime copes with
		// spurious ones.
		if fcntl(fd, fSetSig, uintptr(syscall.SIGURG)) != 0 {
			w, err = writersUnknown, read()
			return
		}
		switch fcntl(fd, fSetLease, syscall.F_RDLCK) {
		case 0:
			w, err = writersNone, read()
			if fcntl(fd, fSetLease, syscall.F_UNLCK) != 0 {
				w = writersSome // F05: the kernel revoked the lease, and a process may have written
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
