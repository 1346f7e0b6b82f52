package transport

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"sync/atomic"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport/internal/origin"
)

// A Transport is an http.RoundTripper that puts the current key of a ring on
// each request, and falls back to a previous one when the server refuses it.
// It is safe for concurrent use. Make one for each ring and scheme, and keep it.
type Transport struct {
	ring *source.Ring
	slot int
	err  error // why no request can be sent

	base       http.RoundTripper
	places     places                   // where the scheme puts the key
	override   bool                     // a caller's own credential there is replaced,
	passes     bool                     // or goes out
	needsKey   func(*http.Request) bool // nil: all do
	once       func(*http.Request) bool // nil: as the method says
	serial     func(*http.Request) bool // nil: none is
	turn       chan struct{}            // whose of the serial requests it is
	resyncer   Resyncer
	classifier Classifier                                        // nil: RFC6750
	replay     func(*http.Request, *http.Response, Verdict) bool // nil: replayable
	last       atomic.Pointer[refusal]                           // nil: none yet
	header     string                                            // for the version, on responses
	origins    *origin.Set
	observer   func(*http.Request, *Observation) // nil: none
}

// RoundTrip sends req with the key, and once more with another if the server
// refuses it. There is a third attempt where the keys change under the request,
// and one more where the source came up with a new key after all were refused:
// four at the very most, and a fifth if the server's clock was learned from an
// answer ([Resyncer]). req stays as it is, and resp.Request is req: no secret
// leaves that way. Errors wrap those of package source, [ErrOrigin],
// [ErrInsecure], [ErrCredential], or are the base's.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if t == nil || t.base == nil {
		closeBody(req)
		return nil, errUnmade
	}
	return t.roundTrip(req, t.base)
}

var errUnmade = fmt.Errorf("transport: %w: the Transport was not made by New", source.ErrNoKey)

// roundTrip is RoundTrip over a base.
func (t *Transport) roundTrip(req *http.Request, base http.RoundTripper) (*http.Response, error) {
	how, own, err := t.admit(req)
	if err != nil {
		closeBody(req)
		return nil, err
	}
	obs := observed(req.Context())
	if t.observer != nil {
		if obs == nil {
			obs = &Observation{}
		}
		defer t.observed(req, obs)
	}
	switch how {
	case bare:
		return t.pass(req, base, obs)
	case callers:
		return t.passThrough(req, base, obs, own)
	}
	serial := false
	if t.serial != nil {
		if serial, err = ask(t.serial, req); err != nil {
			closeBody(req)
			return nil, err
		}
	}
	if serial {
		// The key is chosen when the turn has come, and the outcome told before the
		// next one's: of many that wait, one finds out that a key is refused.
		select {
		case t.turn <- struct{}{}:
			defer func() { <-t.turn }()
		case <-req.Context().Done():
			closeBody(req)
			return nil, req.Context().Err()
		}
	}
	return t.exchange(req, base, obs, how == replacing)
}

// manner is how a request goes out.
type manner uint8

const (
	ringsKey  manner = iota // with the ring's key
	replacing               // likewise, where something stands in its place
	bare                    // without
	callers                 // with a key of the caller's own
)

// admit decides how req goes out, if it may.
func (t *Transport) admit(req *http.Request) (how manner, own []found, err error) {
	switch {
	case t.err != nil:
		return bare, nil, t.err
	case req == nil || req.URL == nil:
		return bare, nil, errors.New("transport: the request has no URL")
	}
	bound, err := t.origins.Bound(req)
	if err == nil && bound && t.needsKey != nil {
		bound, err = ask(t.needsKey, req)
	}
	switch {
	case err != nil || !bound: // F53: a redirect elsewhere goes without the key
		return bare, nil, err
	case !t.places.taken(req): // F47
		return ringsKey, nil, nil
	}
	own = t.places.own(req)
	switch {
	case len(own) == 0, t.override:
		return replacing, nil, nil
	case t.passes:
		return callers, own, nil
	case req.RemoteAddr == signedHere: // F48: by the transport above this one
		return bare, nil, nil
	}
	return bare, nil, fmt.Errorf("%w: %s, on the way to %s; WithOverride sends the ring's key in its place, WithPassThrough lets it go out as it is",
		ErrCredential, own[0].where, req.URL.Host)
}

// pass sends req as it is, without a key of the ring's. With WithOverride nothing of
// a caller's goes out either (F113).
func (t *Transport) pass(req *http.Request, base http.RoundTripper, obs *Observation) (*http.Response, error) {
	if !t.override || !t.places.taken(req) {
		return forward(base, req, req, obs, "")
	}
	out := copied(req)
	if err := t.places.clear(out); err != nil {
		closeBody(req)
		return nil, fmt.Errorf("transport: taking out the request's own credential: %w", err)
	}
	switch {
	case replaced(req.Body, out.Body):
		closeBody(req)
	case out.GetBody != nil && !fresh(out.GetBody): // what was looked into may be what is to be sent (F115)
		if out.Body = getBody(out); out.Body == nil {
			return nil, ErrBody
		}
	}
	return forward(base, req, out, obs, "")
}

// passThrough sends a request with a credential of the caller's own, and has the ring
// count it: nothing may be called safe to revoke because others do not use it (F114).
func (t *Transport) passThrough(req *http.Request, base http.RoundTripper, obs *Observation, own []found) (*http.Response, error) {
	use := t.callers(req, own)
	defer use.End()
	return forward(base, req, req, obs, CallersKey)
}

// callers begins an attempt with a credential of the caller's own.
func (t *Transport) callers(req *http.Request, own []found) source.Attempt {
	version, _ := t.ring.Find(func(key source.Key) bool {
		return slices.ContainsFunc(own, func(f found) bool { return f.is(key) })
	})
	return t.ring.Caller(version, own[0].where+", on the way to "+req.URL.Host)
}

// forward sends out, which is req or what is sent in its place, once.
func forward(base http.RoundTripper, req, out *http.Request, obs *Observation, version string) (*http.Response, error) {
	if obs == nil && out == req {
		return base.RoundTrip(req)
	}
	if obs != nil {
		obs.note(version, false)
		out = unobserved(out)
	}
	resp, err := base.RoundTrip(out)
	if resp != nil {
		resp.Request = req
	}
	return resp, err
}

// observed tells the observer, which may be anything (F97).
func (t *Transport) observed(req *http.Request, obs *Observation) {
	if obs.Attempts() > 0 {
		defer func() { _ = recover() }()
		t.observer(req, obs)
	}
}

// ask calls a method of the scheme's. One that panics fails the request (F97).
func ask(method func(*http.Request) bool, req *http.Request) (yes bool, err error) {
	defer func() {
		if recover() != nil {
			err = fmt.Errorf("transport: %w: its scheme panicked", source.ErrUnusable)
		}
	}()
	return method(req), nil
}

// signedHere marks what a transport of this package sends, for one below it that puts
// keys in the same place. The field means nothing to an HTTP client (http.Request).
const signedHere = "rollingkeys"

// copied returns what is sent for req: a shallow copy of the struct and of the
// header map is all that differs. Request.Clone would lose trailers that are set
// at the body's end (F37).
func copied(req *http.Request) *http.Request {
	out := new(http.Request)
	*out = *req
	if out.Header = maps.Clone(req.Header); out.Header == nil { // copies groups of entries, and hashes no name
		out.Header = make(http.Header)
	}
	out.RemoteAddr = signedHere
	return out
}

// Err returns what is wrong with the arguments of New, which every request would
// fail with; nil if nothing is.
func (t *Transport) Err() error {
	if t == nil {
		return nil
	}
	return t.err
}

// Ring returns the ring that t draws from.
func (t *Transport) Ring() *source.Ring {
	if t == nil {
		return nil
	}
	return t.ring
}

// CloseIdleConnections closes the idle connections of the base, if it can (F44).
func (t *Transport) CloseIdleConnections() {
	if t == nil {
		return
	}
	closeIdle(t.base)
}

func closeIdle(base http.RoundTripper) {
	if c, ok := base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

func closeBody(req *http.Request) {
	if req != nil {
		closeReader(req.Body)
	}
}

func closeReader(c io.ReadCloser) {
	if c != nil {
		_ = c.Close()
	}
}
