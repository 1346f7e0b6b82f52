package mockapi

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"net/http"
	"time"
)

// An Answer describes the responses to accepted requests. The zero Answer is the
// JSON echo.
type Answer struct {
	// Status is the HTTP status; 0 means 200. With 204, 205 and 304 no body is sent.
	Status int
	// Header is added to the response header.
	Header http.Header
	// Body is the response body; empty means the echo.
	Body string

	// Delay is the time before the header is sent.
	Delay time.Duration
	// Drip is the pause before each byte of the body; 0 sends the body in one piece.
	Drip time.Duration
	// Endless repeats the body until the client disconnects or the server closes.
	Endless bool
}

// SetAnswer sets the responses to accepted requests from now on. [API.Reset]
// sets the zero Answer. An order is applied before its response is sent, even if
// that never ends.
//
// With [WithHandler] only Delay and Drip apply: the server waits for Delay before
// it calls the handler, and for Drip before each byte that the handler writes.
// Drip does not apply to hijacked connections.
func (a *API) SetAnswer(answer Answer) { a.answer.Store(&answer) }

// bodiless reports whether responses with the status have no body (RFC 9110
// sections 15.3.5, 15.3.6 and 15.4.5).
func bodiless(status int) bool {
	return status == http.StatusNoContent || status == http.StatusResetContent || status == http.StatusNotModified
}

// send sends the response. If the client disconnects or the server closes before
// the end, it panics with http.ErrAbortHandler, which cuts the connection.
func (s Answer) send(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	if !pause(ctx, s.Delay) {
		panic(http.ErrAbortHandler) // returning would make net/http send 200
	}
	for name, values := range s.Header {
		w.Header()[http.CanonicalHeaderKey(name)] = values
	}
	w.WriteHeader(cmp.Or(s.Status, http.StatusOK))
	if bodiless(s.Status) || r.Method == http.MethodHead {
		return
	}
	body := []byte(s.Body)
	if s.Endless {
		// Send long pieces, so that a client that drains without bound reads a lot.
		body = bytes.Repeat([]byte(cmp.Or(s.Body, "no key ")), 1+4096/len(cmp.Or(s.Body, "no key ")))
	}
	var out io.Writer = w
	if s.Drip > 0 {
		out = dripWriter{w, ctx, s.Drip}
	}
	for first := true; first || s.Endless; first = false {
		if _, err := out.Write(body); err != nil || ctx.Err() != nil {
			panic(http.ErrAbortHandler) // returning would look like the end of the body
		}
	}
}

// dripWriter sends each byte after a pause, until ctx ends.
type dripWriter struct {
	w     http.ResponseWriter
	ctx   context.Context
	pause time.Duration
}

func (d dripWriter) Write(p []byte) (int, error) {
	flush := http.NewResponseController(d.w).Flush
	for i := range p {
		if err := flush(); err != nil {
			return i, err
		}
		if !pause(d.ctx, d.pause) {
			return i, d.ctx.Err()
		}
		if _, err := d.w.Write(p[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(p), nil
}
