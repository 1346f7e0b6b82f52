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

// status returns the status of a server's error response, or 0 if err is not one.
func status(err error) reply.Status {
	if answer, ok := errors.AsType[*azcore.ResponseError](err); ok {
		return reply.Status(answer.StatusCode)
	}
	return 0
}

// kinds maps the service's statuses to errors of package source.
//
// https://learn.microsoft.com/rest/api/keyvault/secrets/get-secret-versions/get-secret-versions
var kinds = map[reply.Status]error{
	400: source.ErrInvalid,
	401: source.ErrDenied,
	403: source.ErrDenied,
	404: fmt.Errorf("%w: the secret does not exist or is deleted", source.ErrNoKey),
}

// explain is reply.Explain for errors of the service. It also handles a failed login.
func explain(ctx context.Context, err error) error {
	code := status(err)
	login, isLogin := errors.AsType[*azidentity.AuthenticationFailedError](err)
	switch {
	case code != 0 || ctx.Err() != nil:
	case isLogin && login.RawResponse != nil && login.RawResponse.StatusCode < 500:
		err = fmt.Errorf("%w: status %d in response to the login", source.ErrDenied, login.RawResponse.StatusCode)
	case !isLogin && noCredential(err):
		err = fmt.Errorf("%w: the environment has no credential for the login", source.ErrDenied)
	}
	return reply.Explain(ctx, err, code, kinds)
}

// noCredential reports whether err says that there is no credential for the login. The error's
// type is not exported, so noCredential looks for its method NonRetriable. The error of a
// truncated response has that method too.
func noCredential(err error) bool {
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
