package grpcauth

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// ErrTarget: the key is bound to another target; see [WithTarget].
var ErrTarget = errors.New("the key is bound to another target")

// Auth puts the keys of a ring on calls. It is safe for concurrent use, and may
// serve several ClientConns of one target.
type Auth struct {
	ring  *ring.Ring
	slot  int
	opts  options
	bound atomic.Pointer[string] // the target of the first call, where none was named
}

// New returns an Auth that draws keys from ring. It never fails: where there is no
// ring, or no key that the header can carry, every call says so.
func New(keys *ring.Ring, opts ...Option) *Auth {
	a := &Auth{ring: keys, opts: options{
		header: "authorization", prefix: "Bearer ", classify: Unauthenticated, messages: 4096, size: 256 << 10,
	}}
	for _, opt := range opts {
		if opt != nil { // F125
			opt(&a.opts)
		}
	}
	a.opts.header = strings.ToLower(a.opts.header)
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
			return nil, fmt.Errorf("grpcauth: %w: no metadata can carry it", source.ErrUnusable)
		}
		return func() string { return value }, nil
	}
}

// DialOptions returns both interceptors as options for grpc.NewClient.
func (a *Auth) DialOptions() []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithChainUnaryInterceptor(a.UnaryInterceptor), grpc.WithChainStreamInterceptor(a.StreamInterceptor),
	}
}

// UnaryInterceptor is a grpc.UnaryClientInterceptor. It blocks as a call does, and
// after a refusal for as long as the ring waits for another key
// ([ring.WithRefusalWait]), within ctx.
func (a *Auth) UnaryInterceptor(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn,
	invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	ctx, own, err := a.admit(ctx, cc)
	if err != nil {
		return err
	}
	if own != "" {
		use := a.caller(own, inMetadata)
		defer use.End()
		return invoker(ctx, method, req, reply, cc, opts...)
	}
	c, err := a.begin(ctx, opts, true)
	if err != nil {
		return err
	}
	defer c.end() // against panics below
	for {
		err := invoker(ctx, method, req, reply, cc, c.options()...)
		if c.again(err) {
			continue
		}
		err = c.final(err)
		c.finish(err)
		return err
	}
}

// admit looks at what a call comes with: whether the key may go there, and whether
// the call has a credential of its own, with which it is to pass.
func (a *Auth) admit(ctx context.Context, cc *grpc.ClientConn) (_ context.Context, own string, err error) {
	if err := a.check(cc); err != nil {
		return ctx, "", err
	}
	md, _ := metadata.FromOutgoingContext(ctx)
	values := md[a.opts.header]
	if len(values) == 0 {
		return ctx, "", nil
	}
	if i := slices.IndexFunc(values, a.credential); i >= 0 {
		switch a.opts.own {
		case ownRefused:
			return ctx, "", a.ownCredential(inMetadata)
		case ownPassed:
			return ctx, values[i], nil
		}
	}
	md.Delete(a.opts.header) // a copy
	return metadata.NewOutgoingContext(ctx, md), "", nil
}

// check binds the key to cc's target, or compares.
func (a *Auth) check(cc *grpc.ClientConn) error {
	target := cc.CanonicalTarget()
	if len(a.opts.targets) > 0 {
		if slices.Contains(a.opts.targets, cc.Target()) || slices.Contains(a.opts.targets, target) {
			return nil
		}
	} else {
		bound := a.bound.Load()
		if bound == nil && !a.bound.CompareAndSwap(nil, &target) {
			bound = a.bound.Load()
		}
		if bound == nil || *bound == target {
			return nil
		}
	}
	return &callError{codes.Internal, fmt.Errorf("grpcauth: %w: %s; see WithTarget", ErrTarget, target)}
}

// callError is an error with a status, for what is wrong on this side.
type callError struct {
	code codes.Code
	err  error
}

func (e *callError) Error() string              { return e.err.Error() }
func (e *callError) Unwrap() error              { return e.err }
func (e *callError) GRPCStatus() *status.Status { return status.New(e.code, e.Error()) }

// validName reports whether gRPC takes name for metadata: digits, lower case,
// "_", "-" and "." (the PROTOCOL-HTTP2 document, Custom-Metadata).
func validName(name string) bool {
	return name != "" && !strings.HasPrefix(name, "grpc-") && !strings.HasSuffix(name, "-bin") &&
		!strings.ContainsFunc(name, func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
		})
}

// validValue reports whether s can be a value: visible ASCII, and spaces inside.
func validValue(s string) bool {
	return s != "" && s == strings.TrimSpace(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}
