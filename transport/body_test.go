package transport_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
)

// If there is no other key, GetBody is not called, and the body is closed.
//
// F30
func TestUnwantedBodyIsNotAskedFor(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		srv := p.serve(t, newGate())
		rt := unbound(keep(t, newStore("v1"), ring.WithRefusalWait(0)), transport.Bearer(), transport.WithBase(srv.base(t)))
		body := &countingBody{Reader: strings.NewReader("order")}
		req := request(t, http.MethodPost, srv.URL, body)
		req.ContentLength = 5
		req.GetBody = func() (io.ReadCloser, error) {
			t.Error("the body is asked for")
			return nil, errBase
		}
		send(t, rt, req).want(t, http.StatusUnauthorized, "v1", 1)
		eventually(t, "the body to be closed", func() bool { return body.closed.Load() == 1 })
	})
}

// Body returns the bytes to a signer, and SetBody replaces them. Neither reads
// req.Body.
//
// F33
func TestBodyForSigners(t *testing.T) {
	for name, c := range map[string]struct {
		body   io.Reader
		length int64 // ContentLength of the request; -2: unchanged
		want   string
		err    error
	}{
		"none":           {nil, -2, "", nil},
		"known":          {strings.NewReader("order"), -2, "order", nil},
		"unknown length": {strings.NewReader("order"), -1, "order", nil},
		"too short":      {strings.NewReader("order"), 6, "", transport.ErrBody},
		"said too long":  {strings.NewReader("order"), transport.MaxSignedBody + 1, "", transport.ErrBody},
		"too long":       {bytes.NewReader(make([]byte, transport.MaxSignedBody+1)), -1, "", transport.ErrBody},
		"stream":         {struct{ io.Reader }{strings.NewReader("order")}, -2, "", transport.ErrBody},
	} {
		t.Run(name, func(t *testing.T) {
			req := request(t, http.MethodPost, "https://api.example.com", c.body)
			if c.length != -2 {
				req.ContentLength = c.length
			}
			data, err := transport.Body(req)
			if string(data) != c.want || !errors.Is(err, c.err) {
				t.Errorf("%q, error %v; want %q, %v", data, err, c.want, c.err)
			}
		})
	}
	protocols(t, func(t *testing.T, p protocol) {
		g := newGate("v1")
		srv := p.serve(t, g)
		signs := transport.SchemeFunc(func(k source.Key) (transport.Signer, error) {
			return transport.SignerFunc(func(req *http.Request) error {
				data, err := transport.Body(req)
				transport.SetBody(req, append(data, "&signed with "+k.Version...))
				req.Header.Set("Authorization", "Bearer "+k.Secret.Expose())
				return err
			}), nil
		})
		rt := unbound(keep(t, newStore("v2", "v1")), signs, transport.WithBase(srv.base(t)))
		a := send(t, rt, request(t, http.MethodPost, srv.URL, strings.NewReader("order=1")))
		a.want(t, http.StatusOK, "v1", 2)
		if a.body != "order=1&signed with v1" {
			t.Errorf("body %q", a.body)
		}
	})
}
