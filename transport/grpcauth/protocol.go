package grpcauth

import (
	"io"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/internal/rpc"
)

// protocol describes the errors of gRPC.
func protocol(classify func(*status.Status) transport.Verdict) rpc.Protocol {
	return rpc.Protocol{
		Package: "grpcauth",
		Code: func(err error) rpc.Code {
			if err == nil || err == io.EOF { // an error that wraps io.EOF is one of an interceptor
				return rpc.OK
			}
			return rpc.Code(status.Code(err))
		},
		Classify: func(err error) transport.Verdict {
			s, _ := status.FromError(err)
			return classify(s)
		},
		Error: func(code rpc.Code, err error) error { return &callError{codes.Code(code), err} },
		Redact: func(err error, clean func(string) string) error {
			s, _ := status.FromError(err)
			p := s.Proto()
			p.Message = clean(p.Message)
			return status.ErrorProto(p)
		},
	}
}

// callError is an error with a status that was detected on the client.
type callError struct {
	code codes.Code
	err  error
}

func (e *callError) Error() string              { return e.err.Error() }
func (e *callError) Unwrap() error              { return e.err }
func (e *callError) GRPCStatus() *status.Status { return status.New(e.code, e.Error()) }

// validName reports whether gRPC accepts name for metadata: digits, lower case, "_",
// "-" and "." (the PROTOCOL-HTTP2 document, Custom-Metadata).
func validName(name string) bool {
	return name != "" && !strings.HasPrefix(name, "grpc-") && !strings.HasSuffix(name, "-bin") &&
		!strings.ContainsFunc(name, func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
		})
}
