package provider

import (
	"net/http"
	"strings"

	"github.com/rollingkeys/rollingkeys/transport"
)

// APIGateway returns the profile of an API behind Amazon API Gateway that wants an API key
// in X-Api-Key. The origin is that of the stage, such as
// "https://abc123.execute-api.eu-central-1.amazonaws.com", or the API's own domain.
//
// The gateway answers a bad key with the status 403 and the error ForbiddenException. It
// answers the same if AWS WAF blocks a request, and no request has reached the API by then.
// So the verdict is [transport.Ambiguous]: the request is sent again with another key. A
// 403 with another error, such as AccessDeniedException of an authorizer, says nothing
// about the key.
//
// For requests signed by IAM keys use the module transport/sigv4.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
// https://repost.aws/knowledge-center/api-gateway-troubleshoot-403-forbidden
func APIGateway(origins ...string) Profile {
	p := Generic(transport.Header("X-Api-Key"), origins...)
	p.Name = "apigateway"
	p.Classifier = apiGatewayAnswer
	return p
}

func apiGatewayAnswer(a *transport.Answer) transport.Verdict {
	v := transport.RFC6750(a)
	if a.Status != http.StatusForbidden || v != transport.Passed {
		return v
	}
	kind, _, _ := strings.Cut(a.Header.Get("X-Amzn-Errortype"), ":")
	switch {
	case kind == "ForbiddenException", kind == "" && Lookup(a.Body(), "message") == "Forbidden":
		return transport.Ambiguous
	case kind != "":
		return transport.Inconclusive
	}
	return transport.Passed // most likely from the API itself
}
