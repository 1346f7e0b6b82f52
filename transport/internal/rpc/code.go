package rpc

// A Code is the outcome of a call: gRPC's numbers, which are Connect's too.
type Code uint32

// The codes that matter here.
const (
	OK                 Code = 0
	Canceled           Code = 1
	InvalidArgument    Code = 3
	DeadlineExceeded   Code = 4
	NotFound           Code = 5
	AlreadyExists      Code = 6
	FailedPrecondition Code = 9
	Aborted            Code = 10
	OutOfRange         Code = 11
	Internal           Code = 13
	DataLoss           Code = 15
	Unauthenticated    Code = 16
)

// application reports whether only an application gives the code: gRPC's document of
// status codes lists those that no library generates, and no HTTP status becomes one of
// them. Unimplemented is not among them: a client makes it of a proxy's 404.
func (c Code) application() bool {
	switch c {
	case InvalidArgument, NotFound, AlreadyExists, FailedPrecondition, Aborted, OutOfRange, DataLoss:
		return true
	}
	return false
}
