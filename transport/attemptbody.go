package transport

import (
	"io"
	"net/http"
)

// A body gives each attempt of a request its own reader of the body.
type body struct {
	req     *http.Request // the caller's
	current io.ReadCloser // what the attempt sends
	gate    *gate         // the gate that is current; nil: no other attempt can read from current
}

func newBody(req *http.Request) body {
	switch {
	case !hasBody(req):
	case req.GetBody == nil && req.Header["Expect"] == nil:
	case req.GetBody != nil && fresh(req.GetBody):
	default:
		// F38: if a server refuses before "100 Continue", nothing of the body was read,
		// so it can be sent again although there is no GetBody.
		own := *req // Sign sets the gate as the body of req itself
		_, g := newShared(&own)
		return body{req, g, g}
	}
	return body{req: req, current: req.Body}
}

func hasBody(req *http.Request) bool { return req.Body != nil && req.Body != http.NoBody }

// streamed reports whether req has a body that cannot be read again.
func streamed(req *http.Request) bool { return hasBody(req) && req.GetBody == nil }

// view returns the request for code that may read the body by GetBody during an
// attempt: the scheme's Strip, a replay policy, the search for a credential.
func (b *body) view() *http.Request {
	if b.gate == nil || b.req.GetBody == nil {
		return b.req
	}
	view := *b.req
	b.onto(&view)
	return &view
}

// onto sets the attempt's body in out.
func (b *body) onto(out *http.Request) {
	out.Body = b.current
	if b.gate != nil && out.GetBody != nil {
		out.GetBody = b.gate.s.getBody
	}
}

// wasRead reports whether other code than the attempt has read the body.
func (b *body) wasRead() bool {
	if b.gate == nil {
		return false
	}
	s := b.gate.s
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.owner != b.gate
}

// renewable reports whether the body can probably be sent again. It does not block. If
// there is no GetBody and nothing of the body was read, reads wait from now on until
// renew or resume.
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

// resume lets the attempt read again, because no other attempt follows.
func (b *body) resume() {
	if b.gate != nil {
		s := b.gate.s
		s.mu.Lock()
		defer s.mu.Unlock()
		b.gate.held = false
		s.changed.Broadcast()
	}
}

// renew makes b the body of the next attempt. It reports false if the body cannot be
// read again. From then on the attempt before can no longer read the body (F115),
// although it may still try to (F35).
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

// release closes the body as soon as its reader has closed it: no other attempt
// follows.
func (b *body) release() {
	if b.gate != nil {
		b.gate.free()
	}
}

// over ends the attempt's use of the body: now, or, if there is an answer, when the
// caller closes the answer. Nothing needs to be done for a body that was sent whole.
// After a redirect that keeps the body http.Client calls GetBody before it closes the
// answer, so over ends the use at once.
func (b *body) over(resp *http.Response) {
	if b.gate != nil {
		b.gate.finish(resp)
	}
}
