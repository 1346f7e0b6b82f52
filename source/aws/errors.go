package aws

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/smithy-go"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/reply"
)

// kinds says what the service's error codes mean to a ring. The codes are those
// of the API reference's DescribeSecret and GetSecretValue pages and its page
// "Common Errors":
//
// https://docs.aws.amazon.com/secretsmanager/latest/apireference/CommonErrors.html
var kinds = map[string]error{
	"ResourceNotFoundException":           source.ErrNoKey,
	"InvalidRequestException":             source.ErrNoKey, // the secret is being deleted
	"InvalidParameterException":           source.ErrInvalid,
	"ValidationException":                 source.ErrInvalid,
	"DecryptionFailure":                   source.ErrDenied,
	"AccessDeniedException":               source.ErrDenied,
	"ExpiredTokenException":               source.ErrDenied,
	"IncompleteSignature":                 source.ErrDenied,
	"InvalidClientTokenId":                source.ErrDenied,
	"InvalidSignatureException":           source.ErrDenied,
	"MissingAuthenticationTokenException": source.ErrDenied,
	"NotAuthorized":                       source.ErrDenied,
	"OptInRequired":                       source.ErrDenied,
	"RequestExpired":                      source.ErrDenied,
	"UnrecognizedClientException":         source.ErrDenied,
	"InternalServiceError":                source.ErrUnavailable,
	"InternalFailure":                     source.ErrUnavailable,
	"ServiceUnavailable":                  source.ErrUnavailable,
	"ThrottlingException":                 source.ErrUnavailable,
	"LimitExceededException":              source.ErrUnavailable,
}

// explain says in our own words why the service had no answer: an error's
// message, and a code that is not in the list, are text from outside (F95).
func explain(ctx context.Context, err error) error {
	if e, ok := errors.AsType[*source.Error](err); ok {
		return e.Err // the environment's credentials: our own words
	}
	if ctx.Err() == nil {
		if api, ok := errors.AsType[smithy.APIError](err); ok {
			if kind, known := kinds[api.ErrorCode()]; known {
				return fmt.Errorf("%w: %s", kind, api.ErrorCode())
			}
		}
		if answer, ok := errors.AsType[interface {
			error
			HTTPStatusCode() int
		}](err); ok && answer.HTTPStatusCode() != 0 {
			kind := source.ErrUnavailable
			if code := answer.HTTPStatusCode(); code == 401 || code == 403 {
				kind = source.ErrDenied
			}
			return fmt.Errorf("%w: status %d", kind, answer.HTTPStatusCode())
		}
	}
	return reply.Missing(ctx, err)
}
