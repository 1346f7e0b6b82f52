package gcp

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/reply"
)

// kinds says what the service's codes mean to a ring; those that are not listed
// are source.ErrUnavailable.
//
// https://cloud.google.com/secret-manager/docs/reference/rpc/google.rpc#code
var kinds = map[codes.Code]error{
	codes.NotFound:         source.ErrNoKey,
	codes.PermissionDenied: source.ErrDenied,
	codes.Unauthenticated:  source.ErrDenied,
	codes.InvalidArgument:  source.ErrInvalid,
}

// explain says in our own words why there is no answer: a status message is
// text from outside (F95).
func explain(ctx context.Context, err error) error {
	for _, kind := range []error{source.ErrNoKey, source.ErrInvalid, source.ErrDenied, source.ErrUnavailable} {
		if errors.Is(err, kind) {
			return err // our own
		}
	}
	st, ok := status.FromError(err)
	switch st.Code() { // gRPC's clock may be ahead of the context's own
	case codes.DeadlineExceeded:
		return fmt.Errorf("%w: no whole answer in time: %w", source.ErrUnavailable, context.DeadlineExceeded)
	case codes.Canceled:
		return fmt.Errorf("%w: no whole answer in time: %w", source.ErrUnavailable, context.Canceled)
	}
	if ctx.Err() != nil || !ok {
		return reply.Missing(ctx, err)
	}
	kind, known := kinds[st.Code()]
	if !known {
		kind = source.ErrUnavailable
	}
	return fmt.Errorf("%w: %s", kind, st.Code())
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
