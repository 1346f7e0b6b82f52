package provider

import (
	"bytes"
	"strings"

	"github.com/rollingkeys/rollingkeys/transport"
)

// AWS returns the classifier for the AWS APIs, which answer 400 or 403 to a bad
// key and name the error in a header, in JSON or in XML. Sign with the AWS SDK's
// own signer, in a transport.SchemeFunc.
//
// https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html
func AWS() transport.Classifier {
	return func(a *transport.Answer) transport.Verdict {
		if a.Status != 400 && a.Status != 403 {
			return transport.RFC6750(a)
		}
		switch awsCode(a) {
		case "InvalidClientTokenId", "InvalidAccessKeyId", "UnrecognizedClientException", "SignatureDoesNotMatch", "ExpiredToken",
			"ExpiredTokenException":
			return transport.RefusedUnapplied
		case "RequestTimeTooSkewed", "RequestExpired":
			return transport.Clock
		}
		return transport.Passed
	}
}

func awsCode(a *transport.Answer) string {
	code := a.Header.Get("X-Amzn-Errortype")
	if code == "" {
		code = lookup(a.Body(), "__type")
	}
	if code == "" {
		_, rest, _ := bytes.Cut(a.Body(), []byte("<Code>"))
		text, _, _ := bytes.Cut(rest, []byte("</Code>"))
		code = string(text)
	}
	code, _, _ = strings.Cut(code, ":") // X-Amzn-Errortype may have a URL after it
	if i := strings.LastIndexByte(code, '#'); i >= 0 {
		code = code[i+1:] // __type may have a namespace before it
	}
	return code
}
