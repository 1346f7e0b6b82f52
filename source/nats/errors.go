package nats

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/reply"
)

// refused reports whether the server refused the login or does not permit the request.
func refused(err error) bool {
	return slices.ContainsFunc([]error{
		nats.ErrPermissionViolation, nats.ErrAuthorization, nats.ErrAuthExpired, nats.ErrAuthRevoked, nats.ErrAccountAuthExpired,
	}, func(kind error) bool { return errors.Is(err, kind) })
}

// blame returns the cause of err. The server does not answer a request that it does not
// permit, so the cause of a timeout may be nc's last error.
func blame(nc *nats.Conn, err error) error {
	late := errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout) || errors.Is(err, nats.ErrDisconnected)
	if last := nc.LastError(); late && refused(last) {
		return last
	}
	return err
}

func explain(ctx context.Context, err error) error {
	code := ""
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound), errors.Is(err, jetstream.ErrKeyDeleted):
		err = fmt.Errorf("%w: the key does not exist", source.ErrNoKey)
	case errors.Is(err, jetstream.ErrBucketNotFound):
		err = fmt.Errorf("%w: the bucket does not exist", source.ErrNoKey)
	case errors.Is(err, jetstream.ErrInvalidKey), errors.Is(err, jetstream.ErrInvalidBucketName), errors.Is(err, jetstream.ErrBadBucket):
		err = fmt.Errorf("%w: the name of the bucket or the key is not valid, or the stream is no key-value bucket", source.ErrInvalid)
	case refused(err):
		err = fmt.Errorf("%w: the server refused the login or does not permit the request", source.ErrDenied)
	case errors.Is(err, nats.ErrDisconnected), errors.Is(err, nats.ErrConnectionClosed):
		code = "no connection"
	}
	return reply.Explain(ctx, err, code, nil)
}
