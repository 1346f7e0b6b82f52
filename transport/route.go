package transport

import (
	"errors"
	"net/http"
)

// ErrNoRoute means that no rule matches the request, or that the first matching rule
// has no Transport.
var ErrNoRoute = errors.New("transport: no rule for the request")

// A Rule names the Transport for the requests that Match accepts. A nil Match accepts
// all requests.
type Rule struct {
	Match     func(*http.Request) bool
	Transport http.RoundTripper
}

// Route returns a RoundTripper that sends each request by the Transport of the first
// rule that matches. Use it for a read-only key for GET and a trading key for the rest,
// or for one key for each host. If the API places orders by GET, match by the method
// Reads of package provider's Profile instead of [Methods]. If no rule matches, or the
// first that matches has no Transport, RoundTrip fails with [ErrNoRoute]. The
// RoundTripper is safe for concurrent use if the rules are.
func Route(rules ...Rule) http.RoundTripper { return router(rules) }

// Methods returns a Match function that accepts requests with one of the given methods.
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

// Host returns a Match function that accepts requests whose URL has this host. Include
// the port if the URL does.
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

// CloseIdleConnections closes the idle connections of all transports.
func (r router) CloseIdleConnections() {
	for _, rule := range r {
		closeIdle(rule.Transport)
	}
}
