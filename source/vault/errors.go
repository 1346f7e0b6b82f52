package vault

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/reply"
)

// status returns the status of a server's refusal, 0 if err is none.
func status(err error) int {
	if answer, ok := errors.AsType[*api.ResponseError](err); ok {
		return answer.StatusCode
	}
	return 0
}

func retryAfter(err error) time.Duration {
	if p, ok := errors.AsType[*patient](err); ok {
		return p.after
	}
	return 0
}

// explain says in our own words why there is no answer: the client's words hold
// the URL and, where the answer is not Vault's, its body (F95).
//
// https://developer.hashicorp.com/vault/api-docs#http-status-codes
func explain(ctx context.Context, err error) error {
	for _, kind := range []error{source.ErrNoKey, source.ErrInvalid} {
		if errors.Is(err, kind) {
			return err // our own
		}
	}
	_, login := errors.AsType[*loginError](err)
	code := status(err)
	switch {
	case ctx.Err() != nil:
		return reply.Missing(ctx, err)
	case errors.Is(err, api.ErrSecretNotFound), code == 404 && !login:
		return fmt.Errorf("%w: nothing at this path", source.ErrNoKey)
	case login && code >= 400 && code < 500 && code != 429:
		return fmt.Errorf("%w: status %d to the login", source.ErrDenied, code)
	case login && errors.Is(err, errNoToken):
		return fmt.Errorf("%w: %w", source.ErrDenied, errNoToken)
	case code == 403:
		return fmt.Errorf("%w: status 403", source.ErrDenied)
	case code == 400:
		return fmt.Errorf("%w: status 400; is this a KV version 2 engine?", source.ErrInvalid)
	case code == 503:
		return fmt.Errorf("%w: status 503, sealed or in maintenance", source.ErrUnavailable)
	case code != 0:
		return fmt.Errorf("%w: status %d", source.ErrUnavailable, code)
	}
	return reply.Missing(ctx, err)
}

// errNoToken: nobody gave us one.
var errNoToken = errors.New("there is no token")
