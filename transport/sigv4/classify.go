package sigv4

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/retry"

	"github.com/rollingkeys/rollingkeys/transport"
)

// Classifier is a transport.Classifier for AWS's refusals. They have status 400, 401 or
// 403, and an error code in a header, in JSON or in XML. AWS checks the signature
// before it carries out a request, so any request whose key is refused may be sent
// again. S3 answers a HEAD with only a status; then 400 and 403 are
// transport.Ambiguous.
//
// https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html
// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
func Classifier(a *transport.Answer) transport.Verdict {
	if a.Status != 400 && a.Status != 401 && a.Status != 403 {
		return transport.RFC6750(a)
	}
	name := code(a)
	if _, throttled := retry.DefaultThrottleErrorCodes[name]; throttled {
		return transport.Inconclusive
	}
	switch name {
	case "InvalidClientTokenId", "InvalidAccessKeyId", "UnrecognizedClientException", "ExpiredToken", "ExpiredTokenException",
		"InvalidToken", "TokenRefreshRequired":
		return transport.RefusedUnapplied
	case "SignatureDoesNotMatch", "InvalidSignatureException":
		// The JSON and query APIs have no separate code for clock skew.
		if bytes.Contains(a.Body(), []byte("Signature expired")) || bytes.Contains(a.Body(), []byte("Signature not yet current")) {
			return transport.ClockSkew
		}
		return transport.RefusedUnapplied
	case "RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture":
		return transport.ClockSkew
	case "":
		if a.Header.Get("X-Amz-Request-Id") != "" && len(a.Body()) == 0 {
			return transport.Ambiguous // S3's answer to a HEAD, which gives no reason
		}
	case "AccessDenied", "AccessDeniedException", "ServiceUnavailable", "InternalFailure", "OptInRequired", "NotAuthorized":
		return transport.Inconclusive
	}
	// This covers EC2's AuthFailure, a 401 for an unknown key.
	return transport.RFC6750(a)
}

// code returns the error code: the text after '#' in JSON, and before ':' in the
// header.
func code(a *transport.Answer) string {
	text := a.Header.Get("X-Amzn-Errortype")
	if text == "" {
		var body struct {
			Type string `json:"__type"`
			Code string `json:"code"`
		}
		if json.Unmarshal(a.Body(), &body) == nil {
			text = body.Type
			if text == "" {
				text = body.Code
			}
		}
	}
	if text == "" {
		_, rest, _ := bytes.Cut(a.Body(), []byte("<Code>"))
		name, _, found := bytes.Cut(rest, []byte("</Code>"))
		if found {
			text = string(name)
		}
	}
	text, _, _ = strings.Cut(text, ":")
	return text[strings.LastIndexByte(text, '#')+1:]
}
