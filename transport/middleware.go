package transport

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/rollingkeys/rollingkeys/transport/internal/query"
)

// Middleware is RoundTrip with next in place of the base, for SDKs that take a
// function around each request. Several share this one's type, so that
//
//	openai.NewClient(option.WithMiddleware(t.Middleware), ...)
//
// is the one line. Make t with [WithOverride], as most of them set the header
// themselves. One Transport serves any number of clients.
//
// The same goes for whatever sends a request by other means, such as a WebSocket
// library that takes a header: next hands it req.URL and req.Header, and returns the
// server's answer to the handshake. An answer of 400 and above counts before an error
// that comes with it.
//
// next, where it is an http.Client's Do, follows redirects by itself, and takes the
// header along: to other hosts too, if it is not Authorization. [Transport.CheckRedirect]
// prevents that. Without it such a request fails with [ErrOrigin], when the key has
// been sent.
func (t *Transport) Middleware(req *http.Request, next func(*http.Request) (*http.Response, error)) (*http.Response, error) {
	if t == nil || t.base == nil {
		closeBody(req)
		return nil, errUnmade
	}
	if next == nil {
		closeBody(req)
		return nil, errors.New("transport: Middleware was given nothing to send by")
	}
	return t.roundTrip(req, &inside{t, next})
}

// inside is the rest of a chain of middlewares as a RoundTripper.
type inside struct {
	t    *Transport
	next func(*http.Request) (*http.Response, error)
}

func (i *inside) RoundTrip(out *http.Request) (*http.Response, error) {
	resp, err := i.next(out)
	if resp == nil || err != nil && resp.StatusCode < http.StatusBadRequest {
		if resp != nil {
			closeReader(resp.Body)
		}
		return nil, err
	}
	for hop := resp.Request; hop != nil && hop.Response != nil; hop = hop.Response.Request {
		if !i.t.origins.Has(hop) && i.t.places.carried(hop) {
			closeReader(resp.Body)
			return nil, fmt.Errorf("%w: the HTTP client of the SDK followed a redirect to %s and took the key along: revoke the key, and give that client CheckRedirect: t.CheckRedirect",
				ErrOrigin, hop.URL.Host)
		}
	}
	return resp, nil
}

// carried reports whether a redirected request has something where the key was.
func (p *places) carried(hop *http.Request) bool {
	referer, err := url.Parse(hop.Referer())
	return p.hasHeader(hop.Header) || has(hop.URL.RawQuery, p.params) || err == nil && has(referer.RawQuery, p.params)
}

// CheckRedirect is for the http.Client that an SDK sends by, below [Transport.Middleware]:
//
//	option.WithHTTPClient(&http.Client{CheckRedirect: t.CheckRedirect})
//
// A redirect that leaves the key's origins, once, is followed without the key. Like
// net/http's own it stops after ten. It needs no place in a client whose Transport is t.
func (t *Transport) CheckRedirect(req *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return errors.New("transport: stopped after 10 redirects")
	}
	if t == nil || t.origins == nil {
		return errUnmade
	}
	elsewhere := func(hop *http.Request) bool { return !t.origins.Has(hop) }
	if elsewhere(req) || slices.ContainsFunc(via, elsewhere) {
		t.places.clearHeaders(req.Header)
		if has(req.URL.RawQuery, t.places.params) { // a Location that repeats the query
			u := *req.URL
			u.RawQuery = query.Without(u.RawQuery, t.places.params...)
			req.URL = &u
		}
	}
	return nil
}
