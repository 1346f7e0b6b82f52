package client

import (
	"net/http"

	"github.com/rollingkeys/rollingkeys/transport"
)

// A Transport is the RoundTripper of a [Client]. It attaches the keys and applies
// [WithRetry] and the time limits of [WithTimeout], whatever http.Client or
// [transport.Route] sends by it. The methods of the embedded transport are for libraries
// that send the request themselves, such as [transport.Transport.Middleware]: for these
// no request is repeated but for its key, and the library limits the time. It is safe for
// concurrent use.
type Transport struct {
	*transport.Transport
	below
}

// newTransport returns the chain: the limit, the retries, the keys.
func newTransport(keys *transport.Transport, cfg *config) *Transport {
	var rt below = keys
	if cfg.retries > 0 {
		rt = newRetry(rt, cfg.retries, cfg.schemeInUse())
	}
	switch {
	case cfg.timeout == nil:
		rt = &limit{rt, cfg.wait()}
	case *cfg.timeout > 0:
		rt = &total{rt, *cfg.timeout}
	}
	return &Transport{keys, rt}
}

// below is the key transport, or what stands above it.
type below interface {
	http.RoundTripper
	CloseIdleConnections()
}

// RoundTrip sends req like [transport.Transport.RoundTrip], with the client's retries and
// within its time limit.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if t == nil || t.below == nil {
		return (*transport.Transport)(nil).RoundTrip(req)
	}
	return t.below.RoundTrip(req)
}

// CloseIdleConnections closes the idle connections of the base, if it can.
func (t *Transport) CloseIdleConnections() {
	if t != nil && t.below != nil {
		t.below.CloseIdleConnections()
	}
}
