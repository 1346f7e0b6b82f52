package verifier_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/rollingkeys/rollingkeys/transport/sigv4/internal/verifier"
)

// The verifier is right about the documentation's own example, and get-vanilla and
// get-vanilla-query-order-key-case of AWS's Signature Version 4 test suite.
func TestVerifierKnowsAWSVectors(t *testing.T) {
	scope := []string{"AKIDEXAMPLE", "20150830", "us-east-1", "service", "aws4_request"}
	for target, want := range map[string]string{
		"https://example.amazonaws.com/":                             "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
		"https://example.amazonaws.com/?Param2=value2&Param1=value1": "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
	} {
		r := request("GET", target, map[string]string{"X-Amz-Date": "20150830T123600Z"})
		got := verifier.Signature("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", scope, strings.Join(scope[1:], "/"), "20150830T123600Z",
			verifier.Canonical(r, []string{"host", "x-amz-date"}, verifier.Digest(nil), true))
		if got != want {
			t.Errorf("%s: %s, want %s", target, got, want)
		}
	}
}

// request makes a request as a server receives it, with a method, a URL and headers.
func request(method, target string, header map[string]string) *http.Request {
	u, err := url.Parse(target)
	if err != nil {
		panic(err)
	}
	r := &http.Request{Method: method, URL: u, Host: u.Host, Header: make(http.Header)}
	for name, value := range header {
		r.Header.Set(name, value)
	}
	return r
}
