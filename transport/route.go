package transport

import (
	"errors"
	"net/http"
)

// ErrNoRoute: no rule matches the request, or the first that does has no Transport.
var ErrNoRoute = errors.New("transport: no rule for the request")

// A Rule sends the requests that match by a transport. A nil Match takes all.
type Rule struct {
	Match     func(*http.Request) bool
	Transport http.RoundTripper
}

// Route returns a RoundTripper that sends each request by the first rule that
// matches: a read-only key for GET and a trading key for the rest, or one key a
// host. An API whose orders are GETs needs another rule than the method: see
// Reads of package provider's Profile. Where none does, or the
// first that does has no Transport, RoundTrip fails with [ErrNoRoute].
func Route(rules ...Rule) http.RoundTripper { return router(rules) }

// Methods matches requests of the given methods.
func Methods(methods ...string) func(*http.Request) bool {
	return func(req *http.Request) bool {
		m := req.Method
		if m == "" {
			m = http.MethodGet
		}
		for _, want := range methods {
			if m == want {
				return true
			}
		}
		return false
	}
}

// Host matches requests to host, as the URL writes it, port included if it has one.
func Host(host string) func(*http.Request) bool {
	return func(req *http.Request) bool { return req.URL != nil && req.URL.Host == host }
}

type router []Rule

func (r router) RoundTrip(req *http.Request) (*http.Response, error) {
	for _, rule := range r {
		if rule.Match == nil || rule.Match(req) {
			if rule.Transport == nil {
				break
			}
			return rule.Transport.RoundTrip(req)
		}
	}
	closeBody(req)
	return nil, ErrNoRoute
}

// CloseIdleConnections closes the idle connections of all its transports.
func (r router) CloseIdleConnections() {
	for _, rule := range r {
		closeIdle(rule.Transport)
	}
}
