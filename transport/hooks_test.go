package transport_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

// signs sends a request by hooks, at most so many times, and returns the versions that
// were sent.
func signs(t *testing.T, rt *transport.Transport, most int, answers func(version string) *http.Response) (versions []string) {
	t.Helper()
	s, err := rt.Sign(get(t, "https://api.example.com"))
	if err != nil {
		t.Fatal(err)
	}
	for {
		versions = append(versions, s.Version())
		if len(versions) == most || !s.Done(answers(s.Version()), nil) || s.Again(get(t, "https://api.example.com")) != nil {
			return versions
		}
	}
}

// If the refusals of the current key are ambiguous, hooks still get a previous key that
// is good.
//
// F116
func TestSignAfterDoubts(t *testing.T) {
	rt := transport.New(quiet(t, newStore("v2", "v1")), transport.Bearer(), transport.WithOrigin("https://api.example.com"),
		transport.WithClassifier(func(a *transport.Answer) transport.Verdict {
			if a.Status == 403 {
				return transport.Ambiguous
			}
			return transport.Passed
		}))
	good := 0
	for range 50 {
		for _, v := range signs(t, rt, 3, func(v string) *http.Response {
			if v == "v1" {
				return status(200)
			}
			return status(403)
		}) {
			if v == "v1" {
				good++
			}
		}
	}
	if good == 0 {
		t.Error("50 requests failed with v2, none was tried with v1")
	}
}

// If the clock of a server cannot be learned, hooks do not send again forever.
//
// F116
func TestSignClockLoop(t *testing.T) {
	rt := transport.New(quiet(t, newStore("v1")), resyncing(transport.Bearer()), transport.WithOrigin("https://api.example.com"),
		transport.WithClassifier(func(a *transport.Answer) transport.Verdict { return transport.ClockSkew }))
	if n := len(signs(t, rt, 100, func(string) *http.Response { return status(400) })); n > 3 {
		t.Errorf("a request was sent %d times", n)
	}
}

// If all keys are refused, hooks do not send again forever.
//
// F116
func TestSignAllRefused(t *testing.T) {
	for _, n := range []int{1, 2, 3, 5} {
		keys := []string{"v5", "v4", "v3", "v2", "v1"}[:n]
		rt := transport.New(quiet(t, newStore(keys...)), transport.Bearer(), transport.WithOrigin("https://api.example.com"))
		if v := signs(t, rt, 50, func(string) *http.Response { return status(401) }); len(v) > 4 {
			t.Errorf("%d keys: a request was sent %d times: %v", n, len(v), v)
		}
	}
}

// Sign closes the body if it removes the caller's credential from a form.
//
// F116
func TestSignBareClosesBody(t *testing.T) {
	rt := provider.Slack().Transport(quiet(t, newStore("v1")), transport.WithOverride())
	req := request(t, http.MethodPost, "https://slack.com/api/api.test", nil)
	form("token=" + dummy + "&a=b")(req)
	b := &countingBody{Reader: strings.NewReader("x")}
	req.Body = b
	if _, err := rt.Sign(req); err != nil {
		t.Fatal(err)
	}
	if req.Body != b && b.closed.Load() == 0 {
		t.Error("the body that was replaced is open")
	}
}

// After an error of Sign the request is unchanged, or can be signed again.
//
// F116
func TestSignNilSigned(t *testing.T) {
	defer func() {
		if p := recover(); p != nil {
			t.Errorf("Version of a nil Signed panics, Done of one does not")
		}
	}()
	var s *transport.Signed
	_ = s.Done(nil, nil)
	_ = s.Version()
}
