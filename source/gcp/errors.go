package gcp

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/reply"
)

// kinds maps the service's codes to errors of package source.
//
// https://cloud.google.com/secret-manager/docs/reference/rpc/google.rpc#code
var kinds = map[codes.Code]error{
	codes.NotFound:         source.ErrNoKey,
	codes.PermissionDenied: source.ErrDenied,
	codes.Unauthenticated:  source.ErrDenied,
	codes.InvalidArgument:  source.ErrInvalid,
	// gRPC may end a call shortly before the context ends.
	codes.DeadlineExceeded: fmt.Errorf("%w: no complete response in time: %w", source.ErrUnavailable, context.DeadlineExceeded),
	codes.Canceled:         fmt.Errorf("%w: no complete response in time: %w", source.ErrUnavailable, context.Canceled),
}

func explain(ctx context.Context, err error) error {
	var code codes.Code // OK means that err is not from the service
	if st, ok := status.FromError(err); ok {
		code = st.Code()
	}
	return reply.Explain(ctx, err, code, kinds)
}

// retryAfter returns the delay in the error's RetryInfo, or 0 if it has none.
func retryAfter(err error) time.Duration {
	st, _ := status.FromError(err)
	for _, d := range st.Details() {
		if info, ok := d.(*errdetails.RetryInfo); ok {
			return max(info.GetRetryDelay().AsDuration(), 0)
		}
	}
	return 0
}
