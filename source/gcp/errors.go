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

// kinds says what the service's codes mean to a ring.
//
// https://cloud.google.com/secret-manager/docs/reference/rpc/google.rpc#code
var kinds = map[codes.Code]error{
	codes.NotFound:         source.ErrNoKey,
	codes.PermissionDenied: source.ErrDenied,
	codes.Unauthenticated:  source.ErrDenied,
	codes.InvalidArgument:  source.ErrInvalid,
	// gRPC's clock may be ahead of the context's own.
	codes.DeadlineExceeded: fmt.Errorf("%w: no whole answer in time: %w", source.ErrUnavailable, context.DeadlineExceeded),
	codes.Canceled:         fmt.Errorf("%w: no whole answer in time: %w", source.ErrUnavailable, context.Canceled),
}

func explain(ctx context.Context, err error) error {
	var code codes.Code // OK: it is not the service that spoke
	if st, ok := status.FromError(err); ok {
		code = st.Code()
	}
	return reply.Explain(ctx, err, code, kinds)
}

// retryAfter is the delay of a RetryInfo, 0 without.
func retryAfter(err error) time.Duration {
	st, _ := status.FromError(err)
	for _, d := range st.Details() {
		if info, ok := d.(*errdetails.RetryInfo); ok {
			return max(info.GetRetryDelay().AsDuration(), 0)
		}
	}
	return 0
}
