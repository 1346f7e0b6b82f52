package azure

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/reply"
)

// explain says in our own words why there is no answer: the SDK's words hold
// the answer's body (F95).
//
// https://learn.microsoft.com/rest/api/keyvault/secrets/get-secret-versions/get-secret-versions
func explain(ctx context.Context, err error) error {
	for _, kind := range []error{source.ErrNoKey, source.ErrInvalid, source.ErrUnavailable} {
		if errors.Is(err, kind) {
			return err // our own
		}
	}
	login, isLogin := errors.AsType[*azidentity.AuthenticationFailedError](err)
	switch code := status(err); {
	case ctx.Err() != nil:
		return reply.Missing(ctx, err)
	case code == 404:
		return fmt.Errorf("%w: no such secret, or it is deleted", source.ErrNoKey)
	case code == 401 || code == 403:
		return fmt.Errorf("%w: status %d", source.ErrDenied, code)
	case code == 400:
		return fmt.Errorf("%w: status 400", source.ErrInvalid)
	case code != 0:
		return fmt.Errorf("%w: status %d", source.ErrUnavailable, code)
	case isLogin && login.RawResponse != nil && login.RawResponse.StatusCode < 500:
		return fmt.Errorf("%w: status %d to the login", source.ErrDenied, login.RawResponse.StatusCode)
	case !isLogin && hopeless(err):
		return fmt.Errorf("%w: no credential to log in with", source.ErrDenied)
	}
	return reply.Missing(ctx, err)
}

// hopeless reports whether a credential said that it has nothing to log in with.
// Its type is not exported; an answer that was cut short has the same mark.
func hopeless(err error) bool {
	_, marked := errors.AsType[interface {
		error
		NonRetriable()
	}](err)
	_, network := errors.AsType[net.Error](err)
	return marked && !network && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF)
}

func retryAfter(err error) time.Duration {
	if answer, ok := errors.AsType[*azcore.ResponseError](err); ok && answer.RawResponse != nil {
		return reply.RetryAfter(answer.RawResponse.Header, time.Now())
	}
	return 0
}
