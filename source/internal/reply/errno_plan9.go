package reply

import "syscall"

// errno is the type of the system's errors.
type errno = syscall.ErrorString
