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

// ErrNoTransport: the server refused a call without the key, which only
// [Auth.Transport] puts on it.
var ErrNoTransport = errors.New("the key was not sent: the client's http.Client lacks Auth.Transport")

// Auth puts the keys of a ring on calls. It is a connect.Interceptor, for clients;
// on the calls of a handler it does nothing. It is safe for concurrent use, and may
// serve several clients of one origin.
type Auth struct {
	keys    *rpc.Auth
	opts    options
	origins *origin.Set
	err     error // what is wrong with the options
}

// New returns an Auth that draws keys from ring. It never fails: where there is no
// ring, no key that the header can carry, or an origin that is none, every call
// says so.
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

// WrapUnary makes unary calls fall back. A call blocks as it does without, and after a
// refusal for as long as the ring waits for another key ([ring.WithRefusalWait]),
// within its context.
func (a *Auth) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		if !req.Spec().IsClient {
			return next(ctx, req)
		}
		own, err := a.admit(req.Header())
		if err != nil {
			return nil, err
		}
		if own != "" {
			use := a.keys.Caller(own, a.where())
			defer use.End()
			return next(ctx, req)
		}
		c, err := a.keys.Begin(ctx, new(rpc.Carrier), true)
		if err != nil {
			return nil, err
		}
		defer c.End() // against panics below
		theirs := req.Header().Clone()
		for {
			resp, err := next(a.withCarrier(ctx, c.Carrier()), req)
			if !c.Again(err) {
				return resp, final(c, err)
			}
			clear(req.Header()) // of what the protocol has made of it
			maps.Copy(req.Header(), theirs.Clone())
		}
	}
}

// WrapStreamingHandler returns next.
func (a *Auth) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return next
}

// admit looks at the headers that a call comes with, in any case. It returns a credential of the
// caller's own with which the call is to pass.
func (a *Auth) admit(h http.Header) (own string, err error) {
	if a.err != nil {
		return "", a.err
	}
	var values []string
	for name, v := range h {
		if header.EqualFold(name, a.opts.Header) {
			values = slices.Concat(values, v)
		}
	}
	return a.keys.Admit(values, a.where())
}

// where is the header in the words of an error.
func (a *Auth) where() string { return fmt.Sprintf("header %q", a.opts.Header) }
