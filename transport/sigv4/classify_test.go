package sigv4_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/sigv4"
)

// AWS names an error in three forms.
func TestClassifier(t *testing.T) {
	for code, want := range map[string]transport.Verdict{
		"InvalidClientTokenId":        transport.RefusedUnapplied,
		"InvalidAccessKeyId":          transport.RefusedUnapplied,
		"UnrecognizedClientException": transport.RefusedUnapplied,
		"SignatureDoesNotMatch":       transport.RefusedUnapplied,
		"InvalidSignatureException":   transport.RefusedUnapplied,
		"ExpiredToken":                transport.RefusedUnapplied,
		"ExpiredTokenException":       transport.RefusedUnapplied,
		"RequestTimeTooSkewed":        transport.ClockSkew,
		"RequestExpired":              transport.ClockSkew,
		"AccessDenied":                transport.Inconclusive,
		"AccessDeniedException":       transport.Inconclusive,
		"Throttling":                  transport.Inconclusive,
		"ThrottlingException":         transport.Inconclusive,
		"SlowDown":                    transport.Inconclusive,
		"ValidationException":         transport.Passed,
	} {
		for form, answer := range map[string]*transport.Answer{
			"header": transport.NewAnswer(400, http.Header{"X-Amzn-Errortype": {code + ":http://internal.amazon.com/coral/"}}, []byte(`{}`)),
			"json":   transport.NewAnswer(400, nil, fmt.Appendf(nil, `{"__type":"com.amazon.coral.service#%s","message":"x"}`, code)),
			"xml":    transport.NewAnswer(403, nil, fmt.Appendf(nil, `<?xml version="1.0"?><Error><Code>%s</Code><Message>x</Message></Error>`, code)),
			"query":  transport.NewAnswer(403, nil, fmt.Appendf(nil, `<ErrorResponse><Error><Code>%s</Code></Error></ErrorResponse>`, code)),
		} {
			if got := sigv4.Classifier(answer); got != want {
				t.Errorf("%s in %s: %v, want %v", code, form, got, want)
			}
		}
	}
	for name, tc := range map[string]struct {
		answer *transport.Answer
		want   transport.Verdict
	}{
		"expired in its message": {transport.NewAnswer(403, nil, []byte(
			`{"__type":"InvalidSignatureException","message":"Signature expired: 20261123T120000Z is now earlier than 20261123T121000Z"}`)), transport.ClockSkew},
		"too early in its message": {transport.NewAnswer(403, nil, []byte(
			`<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code><Message>Signature not yet current: 2026</Message></Error></ErrorResponse>`)), transport.ClockSkew},
		"too early, in JSON without a type": {transport.NewAnswer(400, nil, []byte(
			`{"message":"Signature not yet current: 20261123T121000Z is still later than 20261123T120000Z","code":"InvalidSignatureException"}`)), transport.ClockSkew},
		"code in JSON":   {transport.NewAnswer(400, nil, []byte(`{"code":"UnrecognizedClientException"}`)), transport.RefusedUnapplied},
		"401, unlisted":  {transport.NewAnswer(401, nil, []byte(`<Response><Errors><Error><Code>AuthFailure</Code></Error></Errors></Response>`)), transport.Refused},
		"403, unlisted":  {transport.NewAnswer(403, nil, []byte(`<Error><Code>AuthFailure</Code></Error>`)), transport.Passed},
		"scope":          {transport.NewAnswer(401, http.Header{"Www-Authenticate": {`Bearer error="insufficient_scope"`}}, nil), transport.Passed},
		"proxy":          {transport.NewAnswer(407, nil, []byte("<Code>InvalidAccessKeyId</Code>")), transport.Passed},
		"rate":           {transport.NewAnswer(429, nil, []byte("<Code>InvalidAccessKeyId</Code>")), transport.Passed},
		"no name":        {transport.NewAnswer(403, nil, []byte("<html>")), transport.Passed},
		"401, no name":   {transport.NewAnswer(401, nil, nil), transport.Refused},
		"half an answer": {transport.NewAnswer(403, nil, []byte("<Error><Code>InvalidAcc")), transport.Passed},
		"throttled":      {transport.NewAnswer(503, nil, []byte("<Code>InvalidAccessKeyId</Code>")), transport.Passed},
		"well":           {transport.NewAnswer(200, nil, []byte("<Code>InvalidAccessKeyId</Code>")), transport.Passed},
	} {
		if got := sigv4.Classifier(tc.answer); got != tc.want {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}

// F112: no answer, however broken, makes the classifier panic or changes the answer.
func FuzzClassifier(f *testing.F) {
	f.Add(400, `{"__type":"com.amazon.coral.service#ExpiredToken"}`, "")
	f.Add(403, "<Error><Code>SignatureDoesNotMatch</Code><Message>Signature expired", "")
	f.Add(401, "", "UnrecognizedClientException:http://internal.amazon.com/coral/")
	f.Fuzz(func(t *testing.T, status int, body, header string) {
		data, h := []byte(body), http.Header{"X-Amzn-Errortype": {header}}
		got := sigv4.Classifier(transport.NewAnswer(status, h, data))
		if string(data) != body || h.Get("X-Amzn-Errortype") != header {
			t.Error("changed the answer")
		}
		if status != 400 && status != 401 && status != 403 && got != transport.Passed {
			t.Errorf("%v of status %d", got, status)
		}
	})
}

// S3 answers a HEAD without a body. Other empty answers are not from S3.
func TestAnswersToHead(t *testing.T) {
	ofS3 := http.Header{"X-Amz-Request-Id": {"4442587FB7D0A2F9"}}
	for status, want := range map[int]transport.Verdict{
		400: transport.Ambiguous, 403: transport.Ambiguous, 404: transport.Passed, 412: transport.Passed, 503: transport.Passed,
	} {
		if got := sigv4.Classifier(transport.NewAnswer(status, ofS3, nil)); got != want {
			t.Errorf("%d: %v, want %v", status, got, want)
		}
		if got := sigv4.Classifier(transport.NewAnswer(status, nil, nil)); got != transport.Passed {
			t.Errorf("%d of another server: %v", status, got)
		}
		if got := sigv4.Classifier(transport.NewAnswer(status, ofS3, []byte("<Error/>"))); got != transport.Passed {
			t.Errorf("%d with a body: %v", status, got)
		}
	}
}
