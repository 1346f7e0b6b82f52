package transport

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport/internal/origin"
)

// A Transport is an http.RoundTripper that puts the current key of a ring on
// each request, and falls back to a previous one when the server refuses it.
// It is safe for concurrent use. Make one for each ring and scheme, and keep it.
type Transport struct {
	ring *ring.Ring
	slot int
	err  error // why no request can be sent

	base       http.RoundTripper
	traits     Traits                                            // of the scheme
	places     places                                            // where the scheme puts the key
	override   bool                                              // a caller's own credential there is replaced,
	passes     bool                                              // or goes out
	turn       chan struct{}                                     // full while a sequential request is out; nil: there are none
	classifier Classifier                                        // nil: RFC6750
	replay     func(*http.Request, *http.Response, Verdict) bool // nil: replayable
	last       atomic.Pointer[refusal]                           // nil: none yet
	header     string                                            // for the version, on responses
	origins    *origin.Set
	observer   func(*http.Request, *Observation) // nil: none
}

// RoundTrip sends req with the key, and once more with another if the server
// refuses it, or with the same, if there is no other and the server accepted it last.
// There is a third attempt where the keys change under the request or a key that was
// refused before has its turn, and one more where the source came up with a new key
// after all were refused: four at the very most, and a fifth if the server's clock was
// learned from an answer (Resync of [Traits]). req stays as it is, and resp.Request is req: no secret
// leaves that way. Errors wrap those of package source, [ErrOrigin],
// [ErrInsecure], [ErrCredential], or are the base's.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if t == nil || t.base == nil {
		closeBody(req)
		return nil, errUnmade
	}
	return t.roundTrip(req, t.base)
}

var (
	errUnmade = fmt.Errorf("transport: %w: the Transport was not made by New", source.ErrNoKey)
	errNoURL  = errors.New("transport: the request has no URL")
)

// roundTrip is RoundTrip over a base.
func (t *Transport) roundTrip(req *http.Request, base http.RoundTripper) (*http.Response, error) {
	if req == nil || req.URL == nil {
		closeBody(req)
		return nil, errNoURL
	}
	body := newBody(req)
	how, own, err := t.admit(req, &body)
	if err != nil {
		body.close()
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
	case bare, above:
		return t.pass(&body, base, obs)
	case callers:
		use := t.callers(req, own)
		defer use.End()
		return body.forward(req, base, obs, CallersKey)
	}
	if t.turn != nil {
		return t.inTurn(body, base, obs, how == replacing)
	}
	return t.exchange(body, base, obs, how == replacing)
}

// manner is how a request goes out.
type manner uint8

const (
	ringsKey  manner = iota // with the ring's key
	replacing               // with the ring's key, in place of what stands there
	bare                    // without a key
	above                   // with that of a transport above this one
	callers                 // with a key of the caller's own
)

// admit decides how req goes out, if it may.
func (t *Transport) admit(req *http.Request, b *body) (how manner, own []found, err error) {
	if t.err != nil {
		return bare, nil, t.err
	}
	bound, err := t.origins.Bound(req)
	if err == nil && bound && t.traits.NeedsKey != nil {
		bound, err = ask(t.traits.NeedsKey, req)
	}
	switch {
	case err != nil || !bound: // F53: a redirect elsewhere goes without the key
		return bare, nil, err
	case !t.places.taken(req): // F47
		return ringsKey, nil, nil
	case t.override:
		return replacing, nil, nil
	}
	own = t.places.own(b.view())
	theirs := func(f found) bool { return !strings.Contains(req.RemoteAddr, inMark(f.place)) }
	i := slices.IndexFunc(own, theirs)
	switch {
	case len(own) == 0:
		return replacing, nil, nil
	case i < 0: // F48
		return above, nil, nil
	case t.passes:
		return callers, own, nil
	}
	return bare, nil, fmt.Errorf("%w: %s, on the way to %s; WithOverride sends the ring's key in its place, WithPassThrough lets it go out as it is",
		ErrCredential, own[i].where(), req.URL.Host)
}

// pass sends a request without a key of the ring's. With WithOverride nothing of
// a caller's goes out either (F113).
func (t *Transport) pass(b *body, base http.RoundTripper, obs *Observation) (*http.Response, error) {
	if !t.override || !t.places.taken(b.req) {
		return b.forward(b.req, base, obs, "")
	}
	out := copied(b.req)
	b.onto(out)
	if err := t.places.clear(out); err != nil {
		b.close()
		return nil, fmt.Errorf("transport: taking out the request's own credential: %w", err)
	}
	if replaced(b.current, out.Body) {
		closeReader(b.current)
	}
	return b.forward(out, base, obs, "")
}

// callers begins an attempt with a credential of the caller's own. Its secret says
// whose it is, and else its id, if no two versions share that (F114).
func (t *Transport) callers(req *http.Request, own []found) ring.Attempt {
	return t.ring.Caller(own[0].where()+", on the way to "+req.URL.Host,
		func(key source.Key) bool {
			return slices.ContainsFunc(own, func(f found) bool { return f.IsOf(key) })
		},
		func(key source.Key) bool { return slices.ContainsFunc(own, func(f found) bool { return f.hasID(key) }) })
}

// forward sends out, which is the caller's request or what is sent in its place, once.
func (b *body) forward(out *http.Request, base http.RoundTripper, obs *Observation, version string) (*http.Response, error) {
	req := b.req
	if out == req && b.looked() { // what is to be sent was read: from the start again
		out = copied(req)
		b.onto(out)
	}
	if obs != nil {
		obs.note(version, false)
		out = unobserved(out)
	}
	resp, err := base.RoundTrip(out)
	if out == req {
		return resp, err
	}
	b.release()
	if err != nil {
		b.over(nil)
	}
	if resp != nil {
		resp.Request = req
		if err == nil && out.Body == b.current {
			b.over(resp)
		}
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

// copied returns what is sent for req: a shallow copy of the struct and of the
// header map is all that differs. Request.Clone would lose trailers that are set
// at the body's end (F37).
func copied(req *http.Request) *http.Request {
	out := new(http.Request)
	*out = *req
	if out.Header = maps.Clone(req.Header); out.Header == nil { // copies groups of entries, and hashes no name
		out.Header = make(http.Header)
	}
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
func (t *Transport) Ring() *ring.Ring {
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
