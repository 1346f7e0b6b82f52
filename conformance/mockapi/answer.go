package mockapi

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"net/http"
	"time"
)

// An Answer is the shape of what an accepted request is answered with: slow,
// dripping and endless answers. The zero Answer is the JSON echo.
type Answer struct {
	// Status is the HTTP status; 0 means 200. With 204, 205 and 304 no body is sent.
	Status int
	// Header is added to the answer's.
	Header http.Header
	// Body is the answer's body; empty means the echo.
	Body string

	// Delay is how long the answer waits before its header.
	Delay time.Duration
	// Drip is the pause before each byte of the body; 0 sends it in one piece.
	Drip time.Duration
	// Endless repeats the body until the client or the server goes away.
	Endless bool
}

// SetAnswer changes the answers to accepted requests from now on. The requests are
// applied before. A handler of [WithHandler] makes its answers itself: of these, Delay
// is waited for before the handler runs, Drip comes before each byte that it writes
// but for those on a hijacked connection, and the other fields are not heeded. Reset
// sets the zero Answer.
func (a *API) SetAnswer(answer Answer) { a.answer.Store(&answer) }

// bodiless reports whether answers with the status have no body (RFC 9110,
// sections 15.3.5, 15.3.6 and 15.4.5).
func bodiless(status int) bool {
	return status == http.StatusNoContent || status == http.StatusResetContent || status == http.StatusNotModified
}

// send answers. When the client or the server goes away first it cuts the
// connection, by a panic with http.ErrAbortHandler.
func (s Answer) send(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	if !pause(ctx, s.Delay) {
		panic(http.ErrAbortHandler) // nobody to answer, and no 200 for nothing
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
		// Long pieces where nothing drips, so that an unbounded drain shows.
		body = bytes.Repeat([]byte(cmp.Or(s.Body, "no key ")), 1+4096/len(cmp.Or(s.Body, "no key ")))
	}
	var out io.Writer = w
	if s.Drip > 0 {
		out = dripWriter{w, ctx, s.Drip}
	}
	for first := true; first || s.Endless; first = false {
		if _, err := out.Write(body); err != nil || ctx.Err() != nil {
			panic(http.ErrAbortHandler) // not to look like the body's end
		}
	}
}

// dripWriter sends its bytes one by one, each after a pause, until ctx ends.
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
