package aws

import (
	"context"
	"errors"

	"github.com/aws/smithy-go"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/reply"
)

// kinds maps the service's error codes to errors of package source. The codes are from the
// pages "DescribeSecret", "GetSecretValue" and "Common Errors" of the API reference:
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

// explain is reply.Explain for errors of the service. If a code is not in kinds, it uses the
// HTTP status.
func explain(ctx context.Context, err error) error {
	if api, ok := errors.AsType[smithy.APIError](err); ok && kinds[api.ErrorCode()] != nil {
		return reply.Explain(ctx, err, api.ErrorCode(), kinds)
	}
	var status reply.Status
	if answer, ok := errors.AsType[interface {
		error
		HTTPStatusCode() int
	}](err); ok {
		status = reply.Status(answer.HTTPStatusCode())
	}
	return reply.Explain(ctx, err, status, map[reply.Status]error{401: source.ErrDenied, 403: source.ErrDenied})
}
