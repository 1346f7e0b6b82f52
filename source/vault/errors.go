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

// status returns the status of a server's error response, or 0 if err is not one.
func status(err error) reply.Status {
	if answer, ok := errors.AsType[*api.ResponseError](err); ok {
		return reply.Status(answer.StatusCode)
	}
	return 0
}

// refused reports whether the server refused the token. Vault answers 403, and a proxy in
// front of it may answer 401.
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

// kinds maps Vault's statuses to errors of package source.
//
// https://developer.hashicorp.com/vault/api-docs#http-status-codes
var kinds = map[reply.Status]error{
	400: fmt.Errorf("%w: is this a KV version 2 engine?", source.ErrInvalid),
	401: source.ErrDenied,
	403: source.ErrDenied,
	404: fmt.Errorf("%w: there is no secret at this path", source.ErrNoKey),
	503: fmt.Errorf("%w: Vault is sealed or in maintenance", source.ErrUnavailable),
}

// explain is reply.Explain for errors of Vault. It also handles the client's own error for
// 404, and the errors of a login.
func explain(ctx context.Context, err error) error {
	code := status(err)
	_, login := errors.AsType[*loginError](err)
	switch {
	case ctx.Err() != nil:
	case errors.Is(err, api.ErrSecretNotFound):
		err = fmt.Errorf("%w: there is no secret at this path", source.ErrNoKey)
	case login && code >= 400 && code < 500 && code != 429:
		err = fmt.Errorf("%w: %v in response to the login", source.ErrDenied, code)
	}
	return reply.Explain(ctx, err, code, kinds)
}

// errNoToken means that there is no token to send to Vault.
var errNoToken = fmt.Errorf("%w: there is no Vault token", source.ErrDenied)
