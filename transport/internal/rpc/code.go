package rpc

// A Code is the outcome of a call. gRPC and Connect use the same numbers.
type Code uint32

// The codes that this package uses.
const (
	OK                 Code = 0
	Canceled           Code = 1
	InvalidArgument    Code = 3
	DeadlineExceeded   Code = 4
	NotFound           Code = 5
	AlreadyExists      Code = 6
	PermissionDenied   Code = 7
	FailedPrecondition Code = 9
	Aborted            Code = 10
	OutOfRange         Code = 11
	Internal           Code = 13
	DataLoss           Code = 15
	Unauthenticated    Code = 16
)

// application reports whether only an application returns the code. gRPC's list of
// status codes says which codes no library generates, and no HTTP status is mapped to
// one of these. Unimplemented is not among them: clients return it for a proxy's 404.
func (c Code) application() bool {
	switch c {
	case InvalidArgument, NotFound, AlreadyExists, FailedPrecondition, Aborted, OutOfRange, DataLoss:
		return true
	}
	return false
}
