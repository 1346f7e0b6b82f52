package mockapi

import (
	"cmp"
	"net/http"
	"time"
)

// A Refusal is the shape of an answer that refuses.
type Refusal struct {
	// Status is the HTTP status; 0 means 401. Some exchanges refuse with 200.
	// With 204, 205 and 304 no body is sent.
	Status int
	// Header is added to the answer's.
	Header http.Header
	// Body is the answer's body; empty means none.
	Body string

	// Delay is how long the answer waits before its header.
	Delay time.Duration
	// Drip is the pause before each byte of the body; 0 sends it in one piece.
	Drip time.Duration
	// Endless repeats the body, or a filler where it is empty, until the client
	// or the server goes away.
	Endless bool

	// ReadBody reads the request's body to its end first. By default the
	// refusal comes before the body is read, as gateways do, and the log then
	// knows nothing of the body.
	ReadBody bool
	// Applied applies the request as if its key were accepted, and refuses then:
	// what a status other than 401 may mean (F67).
	Applied bool
}

// Unauthorized is a plain 401 with the challenge that RFC 9110, section 15.5.2
// asks for and a small JSON body. It is the default.
func Unauthorized() Refusal {
	return Refusal{
		Status: http.StatusUnauthorized,
		Header: http.Header{"Content-Type": {"application/json"}, "Www-Authenticate": {`Bearer realm="mockapi"`}},
		Body:   `{"error":"unauthorized"}`,
	}
}

// InvalidToken is a 401 as RFC 6750, section 3.1 has it for an expired, revoked
// or otherwise invalid token.
func InvalidToken() Refusal {
	r := Unauthorized()
	r.Header.Set("Www-Authenticate", `Bearer realm="mockapi", error="invalid_token"`)
	r.Body = `{"error":"invalid_token"}`
	return r
}

// InsufficientScope is a 403 as RFC 6750, section 3.1 has it: the key is good,
// but not for this. No other version helps (F65).
func InsufficientScope() Refusal {
	r := Unauthorized()
	r.Status = http.StatusForbidden
	r.Header.Set("Www-Authenticate", `Bearer realm="mockapi", error="insufficient_scope"`)
	r.Body = `{"error":"insufficient_scope"}`
	return r
}

// Forbidden is a 403 that says nothing more.
func Forbidden() Refusal { return Refusal{Status: http.StatusForbidden} }

// SetRefusal changes the shape of refusals from now on.
func (a *API) SetRefusal(refusal Refusal) { a.refusal.Store(&refusal) }

// Refuse answers with the refusal, for an [InterceptFunc]. When the client or
// the server goes away first it cuts the connection, by a panic with http.ErrAbortHandler. ReadBody and Applied are heeded by
// the server's own refusals only.
func (a *API) Refuse(w http.ResponseWriter, r *http.Request, refusal Refusal) {
	refusal.answer().send(w, r)
}

// answer is what is sent.
func (r Refusal) answer() Answer {
	return Answer{
		Status: cmp.Or(r.Status, http.StatusUnauthorized), Header: r.Header, Body: r.Body,
		Delay: r.Delay, Drip: r.Drip, Endless: r.Endless,
	}
}
