package connectauth

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/textproto"
	"slices"

	"connectrpc.com/connect"

	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport/internal/header"
	"github.com/rollingkeys/rollingkeys/transport/internal/origin"
	"github.com/rollingkeys/rollingkeys/transport/internal/rpc"
)

// ErrNoTransport means that the server refused a call without a key, because the
// client's http.Client lacks [Auth.Transport].
var ErrNoTransport = errors.New("the key was not sent: make Auth.Transport the Transport of the client's http.Client")

// Auth puts the keys of a ring on calls. It is a connect.Interceptor for clients; for
// handlers it does nothing. It is safe for concurrent use and may serve several clients
// with the same origin.
type Auth struct {
	keys    *rpc.Auth
	opts    options
	origins *origin.Set
	err     error // an option is invalid
}

// New returns an Auth that takes keys from the ring. New does not fail: if there is no
// ring, no key that the header can carry, or an invalid origin, every call returns the
// error.
func New(keys *ring.Ring, opts ...Option) *Auth {
	o := options{Options: rpc.Options{Header: "Authorization", Prefix: "Bearer ", Messages: 4096, Size: 256 << 10},
		classify: Unauthenticated}
	for _, opt := range opts {
		if opt != nil { // F125
			opt(&o)
		}
	}
	o.Header = textproto.CanonicalMIMEHeaderKey(o.Header)
	a := &Auth{keys: rpc.New(keys, protocol(o.classify), o.Options, header.ValidName(o.Header)), opts: o}
	var err error
	if a.origins, err = origin.New(o.origins, o.insecure); err != nil {
		a.err = connect.NewError(connect.CodeInternal, fmt.Errorf("connectauth: %w", err))
	}
	return a
}

// WrapUnary makes unary calls fall back. A call blocks as without it. After a refusal
// it also blocks while the ring waits for another key ([ring.WithRefusalWait]), within
// its context.
func (a *Auth) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		if !req.Spec().IsClient {
			return next(ctx, req)
		}
		own, err := a.admit(req.Header(), req.Peer())
		if err != nil {
			return nil, err
		}
		if own != "" {
			use := a.keys.Caller(own, a.where(req.Peer()))
			defer use.End()
			return next(ctx, req)
		}
		c, err := a.keys.Begin(ctx, new(rpc.Carrier), true)
		if err != nil {
			return nil, err
		}
		defer c.End() // the interceptors below may panic
		theirs := req.Header().Clone()
		for {
			resp, err := next(a.withCarrier(ctx, c.Carrier()), req)
			if !c.Again(err) {
				return resp, final(c, err)
			}
			clear(req.Header()) // the protocol has added headers
			maps.Copy(req.Header(), theirs.Clone())
		}
	}
}

// WrapStreamingHandler returns next: handlers need no key.
func (a *Auth) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return next
}

// admit checks the header that a call already has, in any letter case. own is the
// credential if the call is to be sent with it.
func (a *Auth) admit(h http.Header, to connect.Peer) (own string, err error) {
	if a.err != nil {
		return "", a.err
	}
	var values []string
	for name, v := range h {
		if header.EqualFold(name, a.opts.Header) {
			values = slices.Concat(values, v)
		}
	}
	return a.keys.Admit(values, a.where(to))
}

// where says in an error text where a credential is, and where its call goes.
func (a *Auth) where(to connect.Peer) string {
	return fmt.Sprintf("header %q, in a call to %s", a.opts.Header, to.Addr)
}
