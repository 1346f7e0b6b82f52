package vault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/reply"
)

// status returns the status of a server's refusal, 0 if err is none.
func status(err error) reply.Status {
	if answer, ok := errors.AsType[*api.ResponseError](err); ok {
		return reply.Status(answer.StatusCode)
	}
	return 0
}

// refused reports whether the server does not take the token: Vault says 403, what
// may stand before it 401.
func refused(err error) bool {
	code := status(err)
	return code == http.StatusForbidden || code == http.StatusUnauthorized
}

func retryAfter(err error) time.Duration {
	if p, ok := errors.AsType[*patient](err); ok {
		return p.after
	}
	return 0
}

// kinds says what the server's statuses mean to a ring.
//
// https://developer.hashicorp.com/vault/api-docs#http-status-codes
var kinds = map[reply.Status]error{
	400: fmt.Errorf("%w: is this a KV version 2 engine?", source.ErrInvalid),
	401: source.ErrDenied,
	403: source.ErrDenied,
	404: fmt.Errorf("%w: nothing at this path", source.ErrNoKey),
	503: fmt.Errorf("%w: sealed or in maintenance", source.ErrUnavailable),
}

// explain: the client has an error of its own for 404, and a login may fail.
func explain(ctx context.Context, err error) error {
	code := status(err)
	_, login := errors.AsType[*loginError](err)
	switch {
	case ctx.Err() != nil:
	case errors.Is(err, api.ErrSecretNotFound):
		err = fmt.Errorf("%w: nothing at this path", source.ErrNoKey)
	case login && code >= 400 && code < 500 && code != 429:
		err = fmt.Errorf("%w: %v to the login", source.ErrDenied, code)
	}
	return reply.Explain(ctx, err, code, kinds)
}

// errNoToken: nobody gave us one.
var errNoToken = fmt.Errorf("%w: there is no token", source.ErrDenied)
