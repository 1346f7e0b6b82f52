package transport

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport/internal/query"
)

// Middleware does what RoundTrip does, but sends the request by calling next. It is for
// SDKs that take a function around each request. Several SDKs use this function type,
// so that one line is enough:
//
//	openai.NewClient(option.WithMiddleware(t.Middleware), ...)
//
// Make t with [WithOverride]: most of these SDKs set the header themselves. One
// Transport serves any number of clients.
//
// Middleware also serves a library that sends requests by other means, such as a
// WebSocket library that takes a header: next passes it req.URL and req.Header, and
// returns the server's answer to the handshake. If next returns both an error and an
// answer with a status of 400 or more, the answer counts.
//
// If next is the Do method of an http.Client, the client follows redirects itself. It
// sends the header to other hosts too, unless the header is Authorization.
// [Transport.CheckRedirect] prevents that. Without CheckRedirect such a request fails
// with [ErrOrigin], but only after the key was sent.
func (t *Transport) Middleware(req *http.Request, next func(*http.Request) (*http.Response, error)) (*http.Response, error) {
	if t == nil || t.base == nil {
		closeBody(req)
		return nil, errUnmade
	}
	if next == nil {
		closeBody(req)
		return nil, errors.New("transport: Middleware: next is nil")
	}
	return t.roundTrip(req, &inside{t, next})
}

// inside is a RoundTripper that sends by the rest of a chain of middlewares.
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
		if !i.t.origins.Has(hop) && (i.t.places.carried(hop) || i.t.repeated(hop)) {
			closeReader(resp.Body)
			return nil, fmt.Errorf("%w: the SDK's HTTP client followed a redirect to %s and sent the key there: revoke the key, and set CheckRedirect: t.CheckRedirect in that client",
				ErrOrigin, hop.URL.Host)
		}
	}
	return resp, nil
}

// carried reports whether a redirected request has a value in a place of the key.
func (p *places) carried(hop *http.Request) bool {
	referer, err := url.Parse(hop.Referer())
	return p.hasHeader(hop.Header) || has(hop.URL.RawQuery, p.params) || err == nil && has(referer.RawQuery, p.params)
}

// repeated reports whether the URL or the Referer of a redirected request has a key of
// the ring in it, because the Location repeated the query (F173).
func (t *Transport) repeated(hop *http.Request) bool {
	return len(t.places.params) > 0 && t.holdsKey(hop.URL.String()+" "+hop.Referer())
}

// CheckRedirect is the CheckRedirect function for the http.Client with which an SDK
// sends requests below [Transport.Middleware]:
//
//	option.WithHTTPClient(&http.Client{CheckRedirect: t.CheckRedirect})
//
// It removes the key from a redirect to another origin and from all redirects after it.
// Like the default of net/http it stops after ten redirects. A client whose Transport
// is t does not need it.
func (t *Transport) CheckRedirect(req *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return errors.New("transport: stopped after 10 redirects")
	}
	switch {
	case t == nil || t.base == nil:
		return errUnmade
	case t.err != nil:
		return t.err
	}
	elsewhere := func(hop *http.Request) bool { return !t.origins.Has(hop) }
	if elsewhere(req) || slices.ContainsFunc(via, elsewhere) {
		t.places.clearHeaders(req.Header)
		if has(req.URL.RawQuery, t.places.params) { // the Location may repeat the query
			u := *req.URL
			u.RawQuery = query.Without(u.RawQuery, t.places.params...)
			req.URL = &u
		}
		if t.repeated(req) {
			return t.redactURL(req)
		}
	}
	return nil
}

// redactURL hides the ring's keys in the URL of a redirected request, and deletes its
// Referer.
func (t *Transport) redactURL(req *http.Request) error {
	text := req.URL.String()
	t.ring.Has(func(key source.Key) bool { text = scrub(text, key, nil); return false })
	u, err := url.Parse(text)
	if err != nil {
		return fmt.Errorf("%w: the server redirects to a URL that has the key where none can be", ErrOrigin)
	}
	req.URL = u
	req.Header.Del("Referer")
	return nil
}
