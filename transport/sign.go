package transport

import (
	"net/http"

	"github.com/rollingkeys/rollingkeys/source"
)

// Signed is a request that carries a key by [Transport.Sign], until its outcome is
// told. It belongs to one goroutine at a time.
type Signed struct {
	t    *Transport    // nil: the request needs no key
	req  *http.Request // nil: it carries the caller's own
	a    source.Attempt
	done bool
}

// Sign puts the ring's key on req itself, for libraries that only have hooks: one
// that is called before a request is sent, where Sign belongs, and one that is called
// after it, which tells the outcome with [Signed.Done]. Without that the key is taken
// for in use, and is never safe to revoke. Where a RoundTripper or a middleware can be
// had, take [Transport.RoundTrip] or [Transport.Middleware]: a hook cannot send again.
//
// Sign heeds the key's origins and [WithOverride] as RoundTrip does; its errors are
// the same, and leave req unsent. It does not put requests in the order of their
// nonces. The library follows redirects by itself: see [Transport.CheckRedirect].
func (t *Transport) Sign(req *http.Request) (signed *Signed, err error) {
	if t == nil || t.base == nil {
		return nil, errUnmade
	}
	how, own, err := t.admit(req)
	if err != nil {
		return nil, err
	}
	switch how {
	case bare:
		if t.override && t.places.taken(req) {
			err = t.places.clear(req)
		}
		return &Signed{}, err
	case callers:
		return &Signed{t: t, a: t.callers(req, own)}, nil
	}
	x := exchange{t: t, req: req, out: req, replace: how == replacing}
	if x.a, err = t.ring.Attempt(req.Context(), t.repeatable(req)); err != nil {
		return nil, err
	}
	if req.Header == nil {
		req.Header = make(http.Header)
	}
	x.body = newBody(req)
	x.body.release() // there is one attempt
	defer func() {
		if x.signing && recover() != nil { // F97
			signed, err = nil, x.unsigned(errPanicked)
		}
	}()
	if err := x.sign(); err != nil {
		return nil, err
	}
	return &Signed{t: t, req: req, a: x.a}, nil
}

// Version names the key that the request carries; [CallersKey] if it is the caller's
// own, empty if it needs none.
func (s *Signed) Version() string {
	switch {
	case s.t == nil:
		return ""
	case s.req == nil:
		return CallersKey
	}
	return s.a.Version()
}

// Done tells what became of the request: its answer, or the error in place of one. It
// reads no more of the answer's body than the classifier asks for, and the caller gets
// the body whole. again reports that the key was refused, that the request may be sent
// again, and that the ring has another key for it: Sign it anew. Done does not block,
// but for the classifier, and is called once; another call does nothing.
func (s *Signed) Done(resp *http.Response, err error) (again bool) {
	if s == nil || s.t == nil || s.done {
		return false
	}
	s.done = true
	defer s.a.End()
	if s.req == nil || err != nil || resp == nil {
		return false
	}
	if resp.Body == nil {
		resp.Body = http.NoBody
	}
	switch v := s.t.classify(resp); v {
	case Passed, Silent:
		x := exchange{t: s.t, a: s.a}
		x.passed(resp, v)
		s.a = x.a
		return false
	case Clock:
		return s.t.resyncer != nil && s.t.resync(resp) && s.t.mayReplay(s.req, resp, refusal{resp.StatusCode, v})
	case Doubtful:
		return false
	default:
		r := refusal{resp.StatusCode, v}
		s.t.remember(r)
		s.a.Refused()
		return s.t.mayReplay(s.req, resp, r) && s.t.ring.Version() != s.a.Version()
	}
}
