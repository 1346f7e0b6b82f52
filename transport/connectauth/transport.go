package connectauth

import (
	"context"
	"fmt"
	"net/http"

	"connectrpc.com/connect"

	"github.com/rollingkeys/rollingkeys/transport/internal/header"
	"github.com/rollingkeys/rollingkeys/transport/internal/rpc"
)

// Transport returns the RoundTripper for the client's http.Client. It puts the key that
// the interceptor chose on each request, if the request goes to one of the key's
// origins. base sends the requests; nil means the value of http.DefaultTransport at
// this moment. The RoundTripper is safe for concurrent use.
func (a *Auth) Transport(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	return &roundTripper{a, base}
}

type roundTripper struct {
	auth *Auth
	base http.RoundTripper
}

// carrierKey is the key of an Auth's carrier in a context.
type carrierKey struct{ *Auth }

// withCarrier returns a context that passes c to the transport.
func (a *Auth) withCarrier(ctx context.Context, c *rpc.Carrier) context.Context {
	return context.WithValue(ctx, carrierKey{a}, c)
}

func (t *roundTripper) RoundTrip(req *http.Request) (*http.Response, error) {
	c, _ := req.Context().Value(carrierKey{t.auth}).(*rpc.Carrier)
	if c == nil || c.Value == nil {
		return t.base.RoundTrip(req)
	}
	bound, err := t.auth.origins.Bound(req)
	if err != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, connect.NewError(connect.CodeInternal, fmt.Errorf("connectauth: %w", err))
	}
	out := req
	if !bound || c.Left.Load() {
		c.Left.Store(true)
	} else {
		out = req.WithContext(req.Context()) // a copy: the caller's request must not change
		out.Header = make(http.Header, len(req.Header)+1)
		for name, values := range req.Header {
			if !header.EqualFold(name, t.auth.opts.Header) {
				out.Header[name] = values
			}
		}
		out.Header[t.auth.opts.Header] = []string{c.Value()}
		c.Sent.Store(true)
	}
	resp, err := t.base.RoundTrip(out)
	if resp != nil {
		resp.Request = req // F43
	}
	return resp, err
}

// CloseIdleConnections closes the idle connections of base.
// http.Client.CloseIdleConnections calls it.
func (t *roundTripper) CloseIdleConnections() {
	(&http.Client{Transport: t.base}).CloseIdleConnections()
}
