package etcd

import (
	"context"
	"errors"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/reply"
)

// refusals are the server's errors that refuse the client. Their texts are constants of the
// library, so they may be quoted.
var refusals = []error{
	rpctypes.ErrPermissionDenied, rpctypes.ErrAuthFailed, rpctypes.ErrUserEmpty, rpctypes.ErrUserNotFound,
	rpctypes.ErrInvalidAuthToken, rpctypes.ErrAuthOldRevision, rpctypes.ErrPermissionNotGranted,
}

// kinds maps the server's codes to errors of package source.
var kinds = map[codes.Code]error{
	codes.PermissionDenied: source.ErrDenied,
	codes.Unauthenticated:  source.ErrDenied,
}

func explain(ctx context.Context, err error) error {
	for _, refusal := range refusals {
		if errors.Is(rpctypes.Error(err), refusal) {
			return reply.Explain(ctx, err, refusal.Error(), map[string]error{refusal.Error(): source.ErrDenied})
		}
	}
	var code codes.Code // OK means that err is not from the server
	if e, ok := errors.AsType[rpctypes.EtcdError](rpctypes.Error(err)); ok {
		code = e.Code()
	} else if st, ok := status.FromError(err); ok {
		code = st.Code()
	}
	return reply.Explain(ctx, err, code, kinds)
}
