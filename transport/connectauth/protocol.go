package connectauth

import (
	"errors"
	"fmt"
	"io"
	"maps"

	"connectrpc.com/connect"

	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/internal/rpc"
)

// protocol describes the errors of Connect.
func protocol(classify func(*connect.Error) transport.Verdict) rpc.Protocol {
	return rpc.Protocol{
		Package: "connectauth",
		Code: func(err error) rpc.Code {
			if err == nil || errors.Is(err, io.EOF) || connect.IsNotModifiedError(err) {
				return rpc.OK
			}
			return rpc.Code(connect.CodeOf(err))
		},
		Classify: func(err error) transport.Verdict {
			var e *connect.Error
			if !errors.As(err, &e) {
				return transport.Inconclusive
			}
			return classify(e)
		},
		Error:  func(code rpc.Code, err error) error { return connect.NewError(connect.Code(code), err) },
		Redact: redact,
	}
}

func redact(err error, clean func(string) string) error {
	var e *connect.Error
	if !errors.As(err, &e) {
		return errors.New(clean(err.Error()))
	}
	text := errors.New(clean(e.Message()))
	redacted := connect.NewError(e.Code(), text)
	if connect.IsWireError(e) {
		redacted = connect.NewWireError(e.Code(), text)
	}
	for _, d := range e.Details() {
		redacted.AddDetail(d)
	}
	maps.Copy(redacted.Meta(), e.Meta())
	return redacted
}

// final returns the error that the caller gets for err.
func final(c *rpc.Call, err error) error {
	on := c.Carrier()
	if code := connect.CodeOf(err); code == connect.CodeUnauthenticated && !on.Sent.Load() && !on.Left.Load() {
		return connect.NewError(code, fmt.Errorf("connectauth: %w: %w", ErrNoTransport, err))
	}
	return c.Final(err)
}
