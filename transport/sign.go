package transport

import (
	"fmt"
	"net/http"
	"runtime"
	"sync"

	"github.com/rollingkeys/rollingkeys/source/ring"
)

// Signed is a request that carries a key by [Transport.Sign]. It is safe for
// concurrent use.
type Signed struct {
	mu      sync.Mutex
	x       exchange
	version string
	state   signedState
	verdict Verdict // of the refusal
}

type signedState uint8

const (
	signedOver    signedState = iota // its outcome is known, or it has no key
	signedOut                        // it is on its way
	signedRefused                    // it may be sent again
)

// Sign puts the ring's key on req itself, for libraries that only have hooks: one
// that is called before a request is sent, where Sign belongs, and one that is called
// after it, which tells the outcome with [Signed.Done]. Where a RoundTripper or a
// middleware can be had, take [Transport.RoundTrip] or [Transport.Middleware]: a hook
// has to send again by itself.
//
//	signed, err := t.Sign(req)
//	... // send req
//	for signed.Done(resp, err) && signed.Again(req) == nil {
//		... // send req again, its body from GetBody
//	}
//
// Sign heeds the key's origins and [WithOverride] as RoundTrip does; its errors are
// the same, and req is not to be sent then. It does not put requests in the order of
// their nonces, and observers do not hear of them. The library follows redirects by
// itself: see [Transport.CheckRedirect].
func (t *Transport) Sign(req *http.Request) (*Signed, error) {
	if t == nil || t.base == nil {
		return nil, errUnmade
	}
	if req == nil || req.URL == nil {
		return nil, errNoURL
	}
	b := newBody(req)
	b.release() // others send it again
	how, own, err := t.admit(req, &b)
	if err != nil {
		return nil, err
	}
	s := &Signed{}
	switch how {
	case bare:
		if t.override && t.places.taken(req) {
			b.onto(req)
			if err := t.places.clear(req); err != nil {
				return nil, fmt.Errorf("transport: taking out the request's own credential: %w", err)
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
	case above: // by an earlier Sign
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

// endsWithItself ends a Signed that is dropped without a word of its outcome: else its
// key would never be safe to revoke.
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

// Version names the key that the request carries; [CallersKey] if it is the caller's
// own, empty if it needs none.
func (s *Signed) Version() string {
	if s == nil {
		return ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.version
}

// Done tells what became of the request: its answer, or the error in place of one. It
// reads no more of the answer's body than the classifier asks for, and the caller gets
// the body whole. It reports true where the key was refused and the request may be sent
// again: then either [Signed.Again] or [Signed.End] follows. Done blocks as the
// classifier does. A second outcome does nothing.
func (s *Signed) Done(resp *http.Response, err error) (again bool) {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != signedOut {
		return false
	}
	s.state = signedOver
	x := &s.x
	if x.t == nil || err != nil || resp == nil {
		x.a.End()
		return false
	}
	if resp.Body == nil {
		resp.Body = http.NoBody
	}
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

// Again puts another key on req, which is the request that Sign had, or one that is
// sent in its place: the ring's choice after the refusal, the same key if its time was
// wrong. The body is not touched: req's own is to be had again, from GetBody. It
// blocks, within req's context, while the source is asked for another key. If there is
// none the error wraps [ring.ErrRefused]; then, and after any other error, the refusal
// stands.
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

// End leaves it at the refusal, or tells that nothing is known of the outcome. After it
// nothing more happens.
func (s *Signed) End() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end()
}

// end ends the attempt that is out. The caller holds mu.
func (s *Signed) end() {
	if s.state == signedRefused && s.verdict != Ambiguous && s.verdict != ClockSkew {
		s.x.a.Refused()
	} else if s.state != signedOver {
		s.x.a.End()
	}
	s.state = signedOver
}
