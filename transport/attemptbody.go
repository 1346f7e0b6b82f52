package transport

import (
	"io"
	"net/http"
	"sync"
)

// body gives each attempt a body of its own.
type body struct {
	current io.ReadCloser // what the attempt sends
	shared  *shared       // nil: no other attempt can read what this one does
}

func newBody(req *http.Request) body {
	switch {
	case req.Body == nil || req.Body == http.NoBody:
	case req.GetBody == nil && req.Header["Expect"] == nil:
	case req.GetBody != nil && fresh(req.GetBody):
	default:
		// F38: a server that refuses before "100 Continue" leaves the body untouched;
		// it can be sent again although it cannot be had again.
		s := &shared{req: req, gate: newGate(req.Body, req.GetBody == nil)}
		return body{s.gate, s}
	}
	return body{current: req.Body}
}

// streamed reports whether req has a body that cannot be had again.
func streamed(req *http.Request) bool {
	return req.Body != nil && req.Body != http.NoBody && req.GetBody == nil
}

// renew makes a body ready for another attempt, or reports that there is none to
// be had: the attempt's own may still be read (F35). Then again or back follows.
func (b *body) renew(req *http.Request) bool {
	var next io.ReadCloser
	switch {
	case req.Body == nil || req.Body == http.NoBody:
		return true
	case b.shared != nil:
		next = b.shared.renew()
	case req.GetBody != nil: // F34
		next = getBody(req)
	}
	if next == nil {
		return false
	}
	b.current = next
	return true
}

// again lets the attempt that was prepared by renew have the body.
func (b *body) again() {
	if b.shared != nil {
		b.shared.again()
	}
}

// back gives up the attempt that was prepared by renew.
func (b *body) back() {
	if b.shared != nil {
		b.current = b.shared.back()
		return
	}
	closeReader(b.current)
}

// release lets go of a body that no further attempt will want.
func (b *body) release() {
	if b.shared != nil {
		b.shared.gate.free()
	}
}

// signing gives out, which is to be signed, the attempt's body, and signed what
// the base needs of it.
func (b *body) signing(out *http.Request) {
	out.Body = b.current
	if b.shared != nil && out.GetBody != nil {
		out.GetBody = b.shared.peeked
	}
}

func (b *body) signed(out *http.Request) error {
	if replaced(b.current, out.Body) {
		closeReader(b.current) // the scheme sends another in its place
		return nil
	}
	if b.shared == nil || out.GetBody == nil {
		return nil
	}
	out.GetBody = b.shared.getBody
	if !b.shared.asked {
		return nil
	}
	// What the signer read may have been the attempt's own: from the start again.
	next, err := b.shared.getBody()
	if err != nil {
		return ErrBody
	}
	b.current, out.Body, b.shared.asked = next, next, false
	return nil
}

// over ends the attempt's use of the body: at once, or, with an answer, when that
// is closed. A body that was sent whole is the attempt's no more. After a redirect that
// keeps the body http.Client asks for it again before it closes the answer.
func (b *body) over(resp *http.Response) {
	switch {
	case b.shared == nil:
	case resp == nil, resp.StatusCode == http.StatusTemporaryRedirect, resp.StatusCode == http.StatusPermanentRedirect:
		b.shared.gate.lose(nil)
	case resp.StatusCode != http.StatusSwitchingProtocols && !b.shared.gate.over(): // F39
		resp.Body = &answered{resp.Body, b.shared.gate}
	}
}

// shared is a body that several attempts may read: GetBody is not known to return
// a reader of its own each time, or there is none. Each attempt gets a gate to it,
// and one at a time is open.
type shared struct {
	req    *http.Request // the caller's
	asked  bool          // by the signer, for the body
	mu     sync.Mutex    // a base may call getBody whenever it likes
	gate   *gate         // of the attempt
	before *gate         // of the one before, held between renew and again or back
}

// renew returns the gate of another attempt, nil if the body cannot be had again.
func (s *shared) renew() io.ReadCloser {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.gate
	if !g.hold() {
		return nil
	}
	next := g.untouched()
	if s.req.GetBody != nil {
		next = getBody(s.req)
	}
	if next == nil {
		g.resume()
		return nil
	}
	s.before, s.gate = g, newGate(next, g.keep)
	return s.gate
}

func (s *shared) again() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before.lose(s.gate) // F115
	s.before = nil
}

func (s *shared) back() io.ReadCloser {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.gate.keep {
		s.gate.lose(nil)
	}
	s.gate, s.before = s.before, nil
	s.gate.resume()
	return s.gate
}

// getBody is the request's GetBody for the base, which sends again by itself where
// a connection is lost: what it read so far it has lost then.
func (s *shared) getBody() (io.ReadCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.gate
	if !g.hold() {
		return nil, errLost
	}
	next, err := s.req.GetBody()
	if err != nil || next == nil {
		g.resume()
		if err == nil {
			err = errLost
		}
		return nil, err
	}
	s.gate = newGate(next, false)
	g.lose(s.gate)
	return s.gate, nil
}

// peeked is the request's GetBody for the signer.
func (s *shared) peeked() (io.ReadCloser, error) {
	s.asked = true
	return s.req.GetBody()
}

// getBody returns another reader of the request's body, nil if there is none.
func getBody(req *http.Request) io.ReadCloser {
	body, err := req.GetBody()
	if err != nil {
		return nil
	}
	return body
}
