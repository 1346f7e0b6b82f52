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

// A Transport is an http.RoundTripper that puts the current key of a ring on each
// request. When the server refuses the key, the Transport falls back to a previous one.
// It is safe for concurrent use. Make one Transport for each ring and scheme, and keep
// it.
type Transport struct {
	ring *ring.Ring
	slot int
	err  error // why no request can be sent

	base       http.RoundTripper
	traits     Traits                                            // the traits of the scheme
	places     places                                            // where the scheme puts the key
	override   bool                                              // replace the caller's own credential there
	passes     bool                                              // send the caller's own credential there
	turn       chan struct{}                                     // full while a sequential request is under way; nil: requests are concurrent
	classifier Classifier                                        // nil: RFC6750
	replay     func(*http.Request, *http.Response, Verdict) bool // nil: the default policy
	last       atomic.Pointer[refusal]                           // the refusal that repeatable expects; nil: none yet
	header     string                                            // the name of the version header; empty: none
	origins    *origin.Set
	observer   func(*http.Request, *Observation) // nil: none
}

// RoundTrip sends req with the current key. If the server refuses the key, RoundTrip
// sends req again with another key, or with the same key if there is no other and the
// server accepted it last. There is a third attempt if keys change while the request is
// under way, or if a key that was refused earlier is due to be tried again. There is
// one more if the source brings a new key after all keys were refused. So there are at
// most four attempts, and a fifth if the scheme learned the server's clock from an
// answer (Resync of [Traits]).
//
// RoundTrip does not change req. resp.Request is req, so the response does not hold the
// secret. RoundTrip blocks like the base, and while the ring waits for another key
// ([ring.WithRefusalWait]), within the request's context. Its errors are the base's, or
// wrap [ErrOrigin], [ErrInsecure], [ErrCredential], [ErrBody] or an error of packages
// source and ring.
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

// roundTrip is RoundTrip with the given base.
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
	case withoutKey, signedAbove:
		resp, err := t.pass(&body, base, obs)
		t.name(resp, "")
		return resp, err
	case callers:
		use := t.callers(req, own)
		defer use.End()
		resp, err := body.forward(req, base, obs, CallersKey)
		t.name(resp, CallersKey)
		if resp != nil && err == nil {
			opened(resp, &use)
		}
		return resp, err
	}
	if t.turn != nil {
		return t.inTurn(body, base, obs, how == replacing)
	}
	return t.exchange(body, base, obs, how == replacing)
}

// manner says how a request is sent.
type manner uint8

const (
	ringsKey    manner = iota // with the ring's key
	replacing                 // with the ring's key, in place of the request's own credential
	withoutKey                // without a key
	signedAbove               // with the key that a transport above this one has set
	callers                   // with the caller's own key
)

// admit decides how req is sent, or returns an error if it must not be sent.
func (t *Transport) admit(req *http.Request, b *body) (how manner, own []found, err error) {
	if t.err != nil {
		return withoutKey, nil, t.err
	}
	bound, err := t.origins.Bound(req)
	if err == nil && bound && t.traits.NeedsKey != nil {
		bound, err = ask(t.traits.NeedsKey, req)
	}
	switch {
	case err != nil || !bound: // F53: a redirect to another origin is sent without the key
		return withoutKey, nil, err
	case !t.places.taken(req): // F47
		return ringsKey, nil, nil
	case t.override:
		return replacing, nil, nil
	}
	own = t.places.own(b.view())
	above := func(f found) bool { return strings.Contains(req.RemoteAddr, inMark(f.place)) }
	i := slices.IndexFunc(own, func(f found) bool { return !above(f) && !t.repeats(f) })
	switch {
	case i < 0 && slices.ContainsFunc(own, above): // F48
		return signedAbove, nil, nil
	case i < 0:
		return replacing, nil, nil
	case t.passes:
		return callers, own, nil
	}
	return withoutKey, nil, fmt.Errorf("%w: %s, in a request to %s: use WithOverride to send the ring's key instead, or WithPassThrough to send the credential",
		ErrCredential, own[i].where(), req.URL.Host)
}

// repeats reports whether f is a parameter with a key of the ring. The caller has it from
// an answer with a URL that repeats the query, such as that of the next page: the
// current key takes its place (F173).
func (t *Transport) repeats(f found) bool {
	return f.place[0] == '?' && t.ring.Has(func(key source.Key) bool { return f.IsOf(key) })
}

// pass sends a request without the ring's key. With WithOverride it first removes the
// caller's own credential (F113).
func (t *Transport) pass(b *body, base http.RoundTripper, obs *Observation) (*http.Response, error) {
	taken := (t.override || len(t.places.params) > 0) && t.places.taken(b.req)
	repeated := taken && len(t.places.params) > 0 && t.holdsKey(b.req.Referer()) // F173: the URL before was one with a key of the ring
	if !repeated && (!taken || !t.override) {
		return b.forward(b.req, base, obs, "")
	}
	out := copied(b.req)
	b.onto(out)
	if repeated {
		out.Header.Del("Referer")
	}
	if !t.override {
		return b.forward(out, base, obs, "")
	}
	if err := t.places.clear(out); err != nil {
		b.close()
		return nil, fmt.Errorf("transport: removing the request's own credential: %w", err)
	}
	if replaced(b.current, out.Body) {
		closeReader(b.current)
	}
	return b.forward(out, base, obs, "")
}

// callers begins an attempt with the caller's own credential. The secret tells which
// version of the ring it is. If it does not, the id does, unless two versions share the
// id (F114).
func (t *Transport) callers(req *http.Request, own []found) ring.Attempt {
	return t.ring.Caller(own[0].where()+", in a request to "+req.URL.Host,
		func(key source.Key) bool {
			return slices.ContainsFunc(own, func(f found) bool { return f.IsOf(key) })
		},
		func(key source.Key) bool { return slices.ContainsFunc(own, func(f found) bool { return f.hasID(key) }) })
}

// forward sends out once. out is the caller's request or the copy to send in its place.
func (b *body) forward(out *http.Request, base http.RoundTripper, obs *Observation, version string) (*http.Response, error) {
	req := b.req
	if out == req && b.wasRead() { // the body was read: send it from the start
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

// observed calls the observer. A panic of the observer is ignored (F97).
func (t *Transport) observed(req *http.Request, obs *Observation) {
	if obs.Attempts() > 0 {
		defer func() { _ = recover() }()
		t.observer(req, obs)
	}
}

// copied returns a copy of req to change and send. Only the struct and the header map
// are copied. Request.Clone would also copy the trailer map, and lose trailers that are
// set at the end of the body (F37).
func copied(req *http.Request) *http.Request {
	out := new(http.Request)
	*out = *req
	if out.Header = maps.Clone(req.Header); out.Header == nil { // faster than a loop: maps.Clone hashes no name
		out.Header = make(http.Header)
	}
	return out
}

// Err returns the error about the arguments of New, with which every request fails. It
// is nil if they are valid.
func (t *Transport) Err() error {
	if t == nil {
		return nil
	}
	return t.err
}

// Ring returns the ring that t takes keys from.
func (t *Transport) Ring() *ring.Ring {
	if t == nil {
		return nil
	}
	return t.ring
}

// CloseIdleConnections closes the idle connections of the base, if it can.
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
