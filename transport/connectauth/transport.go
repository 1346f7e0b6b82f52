package connectauth

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"

	"connectrpc.com/connect"

	"github.com/rollingkeys/rollingkeys/transport"
)

// Transport returns an http.RoundTripper for the client's http.Client. It puts the
// key that the interceptor chose on each request, where the key may go. base sends
// the requests; nil is what http.DefaultTransport is now.
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

type carrierKey struct{}

// withCarrier returns a context that takes c down to the transport.
func withCarrier(ctx context.Context, c *carrier) context.Context {
	return context.WithValue(ctx, carrierKey{}, c)
}

func (t *roundTripper) RoundTrip(req *http.Request) (*http.Response, error) {
	c, _ := req.Context().Value(carrierKey{}).(*carrier)
	if c == nil || c.auth != t.auth || c.value == nil {
		return t.base.RoundTrip(req)
	}
	bound, err := t.auth.origins.bound(req)
	if err != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, connect.NewError(connect.CodeInternal, fmt.Errorf("connectauth: %w", err))
	}
	out := req
	if !bound || c.left.Load() {
		c.left.Store(true)
	} else {
		out = req.WithContext(req.Context()) // a copy: the caller's stays as it is
		out.Header = make(http.Header, len(req.Header)+1)
		for name, values := range req.Header {
			if !strings.EqualFold(name, t.auth.opts.header) {
				out.Header[name] = values
			}
		}
		out.Header[t.auth.opts.header] = []string{c.value()}
		c.sent.Store(true)
	}
	resp, err := t.base.RoundTrip(out)
	if resp != nil {
		resp.Request = req // F43
	}
	return resp, err
}

// CloseIdleConnections closes base's, for http.Client.CloseIdleConnections.
func (t *roundTripper) CloseIdleConnections() {
	if c, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// origins are what the key is bound to: each in lower case, with its port.
type origins struct {
	insecure bool
	allowed  atomic.Pointer[[]string] // nil: the first request decides
}

func (o *origins) init(list []string, insecure bool) error {
	o.insecure = insecure
	var allowed []string
	for _, s := range list {
		u, err := url.Parse(s)
		if err != nil || u.User != nil || u.Opaque != "" || u.Host == "" {
			return connect.NewError(connect.CodeInternal, fmt.Errorf(
				"connectauth: %w: WithOrigin wants scheme, host and port, such as https://api.example.com", transport.ErrOrigin))
		}
		n, err := o.normal(u.Scheme, u.Host)
		if err != nil {
			return connect.NewError(connect.CodeInternal, fmt.Errorf("connectauth: %w", err))
		}
		allowed = append(allowed, n)
	}
	if len(allowed) > 0 {
		o.allowed.Store(&allowed)
	}
	return nil
}

// bound reports whether req may carry the key. A redirect elsewhere goes on without
// it (F53 to F55); any other request elsewhere is an error.
func (o *origins) bound(req *http.Request) (bool, error) {
	origin, err := o.normal(req.URL.Scheme, req.URL.Host)
	if err == nil && req.Host != "" && req.Host != req.URL.Host { // what a virtual host goes by
		var host string
		if host, err = o.normal(req.URL.Scheme, req.Host); err == nil && host != origin {
			err = fmt.Errorf("%w: not to be sent to %s as %s", transport.ErrOrigin, origin, host)
		}
	}
	redirected := req.Response != nil
	if err == nil && o.allowed.Load() == nil && !redirected {
		o.allowed.CompareAndSwap(nil, &[]string{origin})
	}
	allowed := o.allowed.Load()
	switch {
	case err == nil && allowed != nil && req.URL.Opaque == "" && slices.Contains(*allowed, origin):
		return true, nil
	case redirected:
		return false, nil
	case err != nil:
		return false, err
	}
	return false, fmt.Errorf("%w: not to be sent to %s", transport.ErrOrigin, origin)
}

// normal writes an origin in one way.
func (o *origins) normal(scheme, hostport string) (string, error) {
	scheme = strings.ToLower(scheme)
	port, ok := map[string]string{"https": "443", "http": "80"}[scheme]
	if !ok {
		return "", fmt.Errorf("%w: scheme %q", transport.ErrOrigin, scheme)
	}
	host := hostport
	if h, p, err := net.SplitHostPort(hostport); err == nil {
		host = h
		if p != "" {
			port = p
		}
	}
	host = strings.TrimSuffix(strings.ToLower(strings.Trim(host, "[]")), ".")
	if host == "" {
		return "", fmt.Errorf("%w: no host", transport.ErrOrigin)
	}
	if scheme == "http" && !o.insecure && !loopback(host) {
		return "", fmt.Errorf("%w: to %s", transport.ErrInsecure, host)
	}
	return scheme + "://" + net.JoinHostPort(host, port), nil
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.Unmap().IsLoopback()
}
