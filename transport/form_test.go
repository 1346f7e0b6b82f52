package transport_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/rollingkeys/rollingkeys/transport"
)

// A form that cannot be read twice may hold the caller's own credential. So it is not
// sent if the scheme has a form field. Any other body is sent.
//
// F33, F113, F120
func TestAFormThatCannotBeLookedIntoIsNotSent(t *testing.T) {
	ring := keep(t, newStore("v1"))
	for name, c := range map[string]struct {
		scheme      transport.Scheme
		opts        []transport.Option
		contentType string
		sent        bool
	}{
		"no option":    {newPair(), nil, formType, false},
		"override":     {newPair(), []transport.Option{transport.WithOverride()}, formType, false},
		"pass through": {newPair(), []transport.Option{transport.WithPassThrough()}, formType, false},
		"no form":      {newPair(), []transport.Option{transport.WithOverride()}, "multipart/form-data; boundary=x", true},
		"no field":     {transport.Bearer(), []transport.Option{transport.WithOverride()}, formType, true},
	} {
		sent := false
		base := roundTripper(func(req *http.Request) (*http.Response, error) {
			sent = true
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody}, nil
		})
		body := &countingBody{Reader: strings.NewReader("token=" + dummy)}
		req := request(t, http.MethodPost, "https://a.example", nil)
		req.Body, req.ContentLength = body, -1
		req.Header.Set("Content-Type", c.contentType)
		resp, err := unbound(ring, c.scheme, append(c.opts, transport.WithBase(base))...).RoundTrip(req)
		switch {
		case sent != c.sent, c.sent && err != nil, !c.sent && !errors.Is(err, transport.ErrBody):
			t.Errorf("%s: sent %v, %v", name, sent, err)
		case c.sent:
			_ = resp.Body.Close()
		case body.closed.Load() != 1:
			t.Errorf("%s: the body was closed %d times", name, body.closed.Load())
		}
	}
}

const formType = "application/x-www-form-urlencoded"
