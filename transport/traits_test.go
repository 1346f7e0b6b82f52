package transport_test

import (
	"net/http"
	"testing"

	"github.com/rollingkeys/rollingkeys/transport"
)

// A header that holds only the prefix holds no credential, even if the scheme is
// wrapped.
//
// F124
func TestWrappedSchemeKeepsItsPrefix(t *testing.T) {
	scheme := struct{ transport.Scheme }{transport.HeaderPrefix("X-Key", "Token ")}
	rt := unbound(keep(t, newStore("v1")), scheme, transport.WithBase(roundTripper(func(*http.Request) (*http.Response, error) { return status(http.StatusOK), nil })))
	req := get(t, "https://api.example.com/")
	req.Header.Set("X-Key", "Token ")
	send(t, rt, req).want(t, http.StatusOK, "v1", 1)
}
