package transport

import (
	"fmt"
	"net/http"
	"runtime"
	"sync"

	"github.com/rollingkeys/rollingkeys/source/ring"
)

// A Signed is a request to which [Transport.Sign] has added a key. It is safe for
// concurrent use.
type Signed struct {
	mu      sync.Mutex
	t       *Transport
	x       exchange // without a Transport: the request has no key of the ring
	version string
	state   signedState
	verdict Verdict // the verdict on the refusal
}

type signedState uint8

const (
	signedOver    signedState = iota // its outcome is known, or it has no key
	signedOut                        // it is under way
	signedRefused                    // it was refused and may be sent again
)

// Sign puts the ring's key on req itself. It is for libraries that only have hooks:
// call Sign in the hook before a request is sent, and [Signed.Done] in the hook after
// it. If the library takes a RoundTripper or a middleware, use [Transport.RoundTrip] or
// [Transport.Middleware] instead: with hooks the caller must send the request again
// itself.
//
//	signed, err := t.Sign(req)
//	... // send req
//	for signed.Done(resp, err) && signed.Again(req) == nil {
//		... // send req again, with a body from GetBody
//	}
//
// Sign observes the key's origins and [WithOverride] like RoundTrip, and returns the
// same errors; after an error, do not send req. Sign does not send sequential requests
// in order, and observers are not called. The library follows redirects itself: see
// [Transport.CheckRedirect].
func (t *Transport) Sign(req *http.Request) (*Signed, error) {
	if t == nil || t.base == nil {
		return nil, errUnmade
	}
	if req == nil || req.URL == nil {
		return nil, errNoURL
	}
	b := newBody(req)
	b.release() // the library sends it again
	how, own, err := t.admit(req, &b)
	if err != nil {
		return nil, err
	}
	s := &Signed{t: t}
	switch how {
	case withoutKey:
		if t.override && t.places.taken(req) {
			b.onto(req)
			if err := t.places.clear(req); err != nil {
				return nil, fmt.Errorf("transport: removing the request's own credential: %w", err)
			}
			if replaced(b.current, req.Body) {
				closeReader(b.current)
			}
		}
		return s, nil
	case callers:
		s.x.a, s.version, s.state = t.callers(req, own), CallersKey, signedOut
		s.endsWithItself()
		return s, nil
	case signedAbove: // an earlier Sign has set the key
		how = replacing
	}
	s.x = exchange{t: t, req: req, out: req, body: b, replace: how == replacing}
	if s.x.a, err = t.ring.Attempt(req.Context(), t.repeatable(b.view())); err != nil {
		return nil, err
	}
	if err := s.sign(); err != nil {
		return nil, err
	}
	s.endsWithItself()
	return s, nil
}

// endsWithItself ends a Signed that is garbage collected before Done was called.
// Otherwise its key would never be safe to revoke.
func (s *Signed) endsWithItself() { runtime.SetFinalizer(s, (*Signed).End) }

func (s *Signed) sign() (err error) {
	x := &s.x
	defer func() {
		if x.signing && recover() != nil { // F97
			x.signing = false
			err = x.unsigned(errPanicked)
		}
	}()
	if x.out.Header == nil {
		x.out.Header = make(http.Header)
	}
	if err := x.sign(); err != nil {
		return err
	}
	s.version, s.state = x.a.Version(), signedOut
	x.sent = s.version
	return nil
}

// Version returns the version of the key that the request carries. It is [CallersKey]
// if the request has a credential of its own, and empty if it needs no key.
func (s *Signed) Version() string {
	if s == nil {
		return ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.version
}

// Done reports the outcome of the request to the ring: its answer, or the error. It
// returns true if the key was refused and the request may be sent again; then call
// [Signed.Again] or [Signed.End]. Done reads as much of the answer's body as the
// classifier asks for, and blocks as long; the caller still gets the whole body. A
// second call for the same attempt does nothing.
func (s *Signed) Done(resp *http.Response, err error) (again bool) {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	x := &s.x
	if s.t != nil && x.t == nil {
		s.t.name(resp, s.version)
	}
	if s.state != signedOut {
		return false
	}
	s.state = signedOver
	if x.t == nil || err != nil || resp == nil {
		x.a.End()
		return false
	}
	if resp.Body == nil {
		resp.Body = http.NoBody
	}
	x.clean(resp)
	v := x.t.classify(resp)
	if v == Passed || v == Inconclusive {
		x.passed(resp, v)
		return false
	}
	x.t.name(resp, x.sent)
	r := refusal{resp.StatusCode, v}
	may := x.req.Context().Err() == nil && x.t.mayReplay(x.body.view(), resp, r)
	if v == ClockSkew {
		may = may && x.t.traits.Resync != nil && x.t.resync(resp) && !x.resynced
	} else {
		x.t.remember(r)
	}
	s.state, s.verdict = signedRefused, v
	if !may {
		s.end()
	}
	return may
}

// Again puts another key on req: the key that the ring chooses after the refusal, or
// the same key if its time was refused. req is the request that Sign had, or one that
// is sent in its place. Again does not set the body: the caller sets it from GetBody.
// Again blocks while the source is asked for another key, within req's context. If
// there is no key, the error wraps [ring.ErrRefused]. After any error the refusal is
// the result of the request.
func (s *Signed) Again(req *http.Request) error {
	if s == nil || req == nil || req.URL == nil {
		return fmt.Errorf("transport: %w: there is nothing to send again", ring.ErrRefused)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	x := &s.x
	if s.state != signedRefused {
		return fmt.Errorf("transport: %w: there is nothing to send again", ring.ErrRefused)
	}
	if bound, err := x.t.origins.Bound(req); err != nil || !bound {
		s.end()
		return ErrOrigin
	}
	s.state = signedOver
	switch {
	case s.verdict == ClockSkew:
		x.a.Again()
		x.resynced = true
	case !x.a.Next(req.Context(), s.verdict == Ambiguous):
		return fmt.Errorf("transport: %w", ring.ErrRefused)
	default:
		x.refused = s.verdict
	}
	x.req, x.out, x.replace = req, req, true
	x.body = newBody(req)
	x.body.release()
	return s.sign()
}

// End accepts the refusal as the result of the request. If no outcome was reported, End
// reports it as unknown. End may be called more than once.
func (s *Signed) End() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end()
}

// end ends the attempt that is under way. The caller holds mu.
func (s *Signed) end() {
	if s.state == signedRefused && s.verdict != Ambiguous && s.verdict != ClockSkew {
		s.x.a.Refused()
	} else if s.state != signedOver {
		s.x.a.End()
	}
	s.state = signedOver
}
