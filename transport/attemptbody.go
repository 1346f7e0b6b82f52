package transport

import (
	"io"
	"net/http"
)

// body gives each attempt of a request a body of its own.
type body struct {
	req     *http.Request // the caller's
	current io.ReadCloser // what the attempt sends
	gate    *gate         // that is current; nil: no other attempt can read what this one does
}

func newBody(req *http.Request) body {
	switch {
	case !hasBody(req):
	case req.GetBody == nil && req.Header["Expect"] == nil:
	case req.GetBody != nil && fresh(req.GetBody):
	default:
		// F38: a server that refuses before "100 Continue" leaves the body untouched;
		// it can be sent again although it cannot be had again.
		own := *req // for a library that is given the body in req itself: see Sign
		_, g := newShared(&own)
		return body{req, g, g}
	}
	return body{req: req, current: req.Body}
}

func hasBody(req *http.Request) bool { return req.Body != nil && req.Body != http.NoBody }

// streamed reports whether req has a body that cannot be had again.
func streamed(req *http.Request) bool { return hasBody(req) && req.GetBody == nil }

// view returns the request for those who may read its body besides the attempt, through
// GetBody: the scheme's Strip, a replay policy, the search for a credential.
func (b *body) view() *http.Request {
	if b.gate == nil || b.req.GetBody == nil {
		return b.req
	}
	view := *b.req
	b.onto(&view)
	return &view
}

// onto gives out the attempt's body.
func (b *body) onto(out *http.Request) {
	out.Body = b.current
	if b.gate != nil && out.GetBody != nil {
		out.GetBody = b.gate.s.getBody
	}
}

// looked reports whether somebody has read the body besides the attempt.
func (b *body) looked() bool {
	if b.gate == nil {
		return false
	}
	s := b.gate.s
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.owner != b.gate
}

// renewable reports whether the body may be had again, ahead of what takes time. One
// that cannot be had again, and is untouched, stays so until renew or resume.
func (b *body) renewable() bool {
	switch {
	case !hasBody(b.req), b.req.GetBody != nil:
		return true
	case b.gate == nil:
		return false // F34
	}
	s := b.gate.s
	s.mu.Lock()
	defer s.mu.Unlock()
	b.gate.held = !b.gate.read
	return b.gate.held
}

// resume lets an attempt that is not followed by another read on.
func (b *body) resume() {
	if b.gate != nil {
		s := b.gate.s
		s.mu.Lock()
		defer s.mu.Unlock()
		b.gate.held = false
		s.changed.Broadcast()
	}
}

// renew makes the body that of another attempt, or reports that it cannot be had
// again: the attempt's own may still be read (F35), and has lost it now (F115).
func (b *body) renew() bool {
	switch {
	case !hasBody(b.req):
		return true
	case b.gate != nil:
		g := b.gate.s.again()
		if g == nil {
			b.resume()
			return false
		}
		b.gate, b.current = g, g
		return true
	}
	next, err := b.req.GetBody()
	if err != nil || next == nil {
		return false
	}
	b.current = next
	return true
}

// close closes a body that was not sent.
func (b *body) close() {
	b.release()
	closeReader(b.current)
}

// release lets go of a body that no further attempt will want.
func (b *body) release() {
	if b.gate != nil {
		b.gate.free()
	}
}

// over ends the attempt's use of the body: at once, or, with an answer, when that
// is closed. A body that was sent whole is the attempt's no more. After a redirect that
// keeps the body http.Client asks for it again before it closes the answer.
func (b *body) over(resp *http.Response) {
	if b.gate != nil {
		b.gate.finish(resp)
	}
}
