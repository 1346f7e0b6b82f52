package connectauth

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/textproto"
	"runtime"
	"strings"

	"connectrpc.com/connect"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport/internal/origin"
)

// ErrNoTransport: the server refused a call without the key, which only
// [Auth.Transport] puts on it.
var ErrNoTransport = errors.New("the key was not sent: the client's http.Client lacks Auth.Transport")

// Auth puts the keys of a ring on calls. It is a connect.Interceptor, for clients;
// on the calls of a handler it does nothing. It is safe for concurrent use, and may
// serve several clients of one origin.
type Auth struct {
	ring    *ring.Ring
	slot    int
	opts    options
	origins *origin.Set
	err     error // what is wrong with the options
}

// New returns an Auth that draws keys from ring. It never fails: where there is no
// ring, no key that the header can carry, or an origin that is none, every call
// says so.
func New(keys *ring.Ring, opts ...Option) *Auth {
	a := &Auth{ring: keys, opts: options{
		header: "Authorization", prefix: "Bearer ", classify: Unauthenticated, messages: 4096, size: 256 << 10,
	}}
	for _, opt := range opts {
		if opt != nil { // F125
			opt(&a.opts)
		}
	}
	a.opts.header = textproto.CanonicalMIMEHeaderKey(a.opts.header)
	var err error
	if a.origins, err = origin.New(a.opts.origins, a.opts.insecure); err != nil {
		a.err = connect.NewError(connect.CodeInternal, fmt.Errorf("connectauth: %w", err))
	}
	var release func()
	a.slot, release, _ = keys.Prepare(prepare(a.opts.header, a.opts.prefix)) // a key that cannot be used is the ring's to report
	if release != nil {
		runtime.AddCleanup(a, func(release func()) { release() }, release) // F116
	}
	return a
}

// prepare makes the header's value. A function holds it, where no verb reaches (F93).
func prepare(header, prefix string) func(source.Key) (any, error) {
	return func(key source.Key) (any, error) {
		value := prefix + key.Secret.Expose()
		if key.Secret.IsZero() || !validName(header) || !validValue(value) {
			return nil, fmt.Errorf("connectauth: %w: no header can carry it", source.ErrUnusable)
		}
		return func() string { return value }, nil
	}
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
			use := a.caller(own)
			defer use.End()
			return next(ctx, req)
		}
		c, err := a.begin(ctx, true)
		if err != nil {
			return nil, err
		}
		defer c.end() // against panics below
		header := req.Header().Clone()
		for {
			resp, err := next(withCarrier(ctx, c.carrier()), req)
			if !c.again(err) {
				return resp, c.final(err)
			}
			clear(req.Header()) // of what the protocol has made of it
			maps.Copy(req.Header(), header.Clone())
		}
	}
}

// WrapStreamingHandler returns next.
func (a *Auth) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return next
}

// validName reports whether s is an RFC 9110 token, as header names are.
func validName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

// validValue reports whether s can be a header's value: visible ASCII, and spaces
// inside.
func validValue(s string) bool {
	return s != "" && s == strings.TrimSpace(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}
