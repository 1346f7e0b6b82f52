package mockapi

import (
	"cmp"
	"net/http"
	"time"
)

// A Refusal describes the response to a refused request.
type Refusal struct {
	// Status is the HTTP status; 0 means 401. Some exchanges refuse with 200.
	// With 204, 205 and 304 no body is sent.
	Status int
	// Header is added to the response header.
	Header http.Header
	// Body is the response body; empty means no body.
	Body string

	// Delay is the time before the header is sent.
	Delay time.Duration
	// Drip is the pause before each byte of the body; 0 sends the body in one piece.
	Drip time.Duration
	// Endless repeats the body, or a filler if it is empty, until the client
	// disconnects or the server closes.
	Endless bool

	// ReadBody reads the request's body to its end before the refusal. By default
	// the server refuses before it reads the body, as gateways do, and then the
	// log has nothing of the body.
	ReadBody bool
	// Applied applies the request as if its key were accepted, and then refuses
	// it. A real API may do so with a status other than 401.
	Applied bool
}

// Unauthorized returns the default refusal: 401 with a WWW-Authenticate challenge
// (RFC 9110 section 15.5.2) and a small JSON body.
func Unauthorized() Refusal {
	return Refusal{
		Status: http.StatusUnauthorized,
		Header: http.Header{"Content-Type": {"application/json"}, "Www-Authenticate": {`Bearer realm="mockapi"`}},
		Body:   `{"error":"unauthorized"}`,
	}
}

// InvalidToken returns a 401 with the error invalid_token, which stands for an
// expired, revoked or otherwise invalid token (RFC 6750 section 3.1).
func InvalidToken() Refusal {
	r := Unauthorized()
	r.Header.Set("Www-Authenticate", `Bearer realm="mockapi", error="invalid_token"`)
	r.Body = `{"error":"invalid_token"}`
	return r
}

// InsufficientScope returns a 403 with the error insufficient_scope (RFC 6750
// section 3.1): the key is valid but lacks a permission. Another version of the
// key would not help.
func InsufficientScope() Refusal {
	r := Unauthorized()
	r.Status = http.StatusForbidden
	r.Header.Set("Www-Authenticate", `Bearer realm="mockapi", error="insufficient_scope"`)
	r.Body = `{"error":"insufficient_scope"}`
	return r
}

// Forbidden returns a 403 without a body.
func Forbidden() Refusal { return Refusal{Status: http.StatusForbidden} }

// SetRefusal sets the response to refused requests from now on.
func (a *API) SetRefusal(refusal Refusal) { a.refusal.Store(&refusal) }

// Refuse answers r with refusal; an [InterceptFunc] can call it. It ignores
// ReadBody and Applied. If the client disconnects or the server closes before the
// response is complete, it panics with http.ErrAbortHandler, which cuts the
// connection.
func (a *API) Refuse(w http.ResponseWriter, r *http.Request, refusal Refusal) {
	refusal.answer().send(w, r)
}

// answer returns the response as an Answer.
func (r Refusal) answer() Answer {
	return Answer{
		Status: cmp.Or(r.Status, http.StatusUnauthorized), Header: r.Header, Body: r.Body,
		Delay: r.Delay, Drip: r.Drip, Endless: r.Endless,
	}
}
