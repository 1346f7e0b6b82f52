package oauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/oauth2"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/reply"
)

func (s *Source) fail(err error) *source.Error { return &source.Error{Source: s.String(), Err: err} }

// explain says why there is no token. It quotes no text of err: the error of x/oauth2
// contains the body of the endpoint's response, and those of other token sources may contain
// anything.
func (s *Source) explain(ctx context.Context, err error) error {
	if typed, ok := errors.AsType[*source.Error](err); ok {
		return typed
	}
	refused, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok || refused.Response == nil {
		return s.fail(reply.Missing(ctx, err))
	}
	code := refused.Response.StatusCode
	kind, text := source.ErrUnavailable, "status "+strconv.Itoa(code)
	switch refused.ErrorCode { // only those of RFC 6749 section 5.2 are quoted
	case "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope":
		kind, text = source.ErrDenied, refused.ErrorCode
	default:
		if code == http.StatusUnauthorized || code == http.StatusForbidden {
			kind = source.ErrDenied
		}
	}
	failed := s.fail(fmt.Errorf("%w: token endpoint: %s", kind, text))
	failed.RetryAfter = reply.RetryAfter(refused.Response.Header, time.Now())
	return failed
}
