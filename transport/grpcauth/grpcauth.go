package grpcauth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport/internal/rpc"
)

// ErrTarget: the key is bound to another target; see [WithTarget].
var ErrTarget = errors.New("the key is bound to another target")

// Auth puts the keys of a ring on calls. It is safe for concurrent use, and may
// serve several ClientConns of one target.
type Auth struct {
	keys  *rpc.Auth
	opts  options
	bound atomic.Pointer[string] // the target of the first call, where none was named
}

// New returns an Auth that draws keys from ring. It never fails: where there is no
// ring, or no key that the header can carry, every call says so.
func New(keys *ring.Ring, opts ...Option) *Auth {
	o := options{Options: rpc.Options{Header: "authorization", Prefix: "Bearer ", Messages: 4096, Size: 256 << 10},
		classify: Unauthenticated}
	for _, opt := range opts {
		if opt != nil { // F125
			opt(&o)
		}
	}
	o.Header = strings.ToLower(o.Header)
	return &Auth{keys: rpc.New(keys, protocol(o.classify), o.Options, validName(o.Header)), opts: o}
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
		use := a.keys.Caller(own, a.where("metadata"))
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
		if c.Again(err) {
			continue
		}
		err = c.Final(err)
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
	values := md[a.opts.Header]
	if len(values) == 0 {
		return ctx, "", nil
	}
	if own, err = a.keys.Admit(values, a.where("metadata")); own != "" || err != nil {
		return ctx, own, err
	}
	md.Delete(a.opts.Header) // a copy
	return metadata.NewOutgoingContext(ctx, md), "", nil
}

// where is the header in the words of an error.
func (a *Auth) where(in string) string { return fmt.Sprintf("%q in %s", a.opts.Header, in) }

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
