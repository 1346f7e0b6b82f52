package grpcauth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport/internal/rpc"
)

// ErrTarget means that the call goes to a target that the key is not bound to, or that no
// target was named: see [WithTarget].
var ErrTarget = errors.New("the key may not be sent")

// Auth puts the keys of a ring on calls. It is safe for concurrent use and may serve
// several ClientConns with the same target.
type Auth struct {
	keys *rpc.Auth
	opts options
}

// New returns an Auth that takes keys from the ring. New does not fail: if there is no
// ring, or no key that the header can carry, every call returns the error.
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

// UnaryInterceptor is a grpc.UnaryClientInterceptor. It blocks like the call itself.
// After a refusal it also blocks while the ring waits for another key
// ([ring.WithRefusalWait]), within ctx.
func (a *Auth) UnaryInterceptor(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn,
	invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	ctx, own, err := a.admit(ctx, cc)
	if err != nil {
		return err
	}
	if own != "" {
		use := a.keys.Caller(own, a.where("metadata", cc.Target()))
		defer use.End()
		return invoker(ctx, method, req, reply, cc, opts...)
	}
	c, err := a.begin(ctx, opts, true)
	if err != nil {
		return err
	}
	defer c.end() // the interceptors below may panic
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

// admit checks whether the key may go to cc, and whether the call already has a
// credential. own is the credential if the call is to be sent with it.
func (a *Auth) admit(ctx context.Context, cc *grpc.ClientConn) (_ context.Context, own string, err error) {
	if err := a.check(cc); err != nil {
		return ctx, "", err
	}
	if ctx == nil {
		return ctx, "", &callError{codes.Internal, errors.New("grpcauth: the context of the call is nil: pass context.Background()")}
	}
	md, _ := metadata.FromOutgoingContext(ctx)
	values := md[a.opts.Header]
	if len(values) == 0 {
		return ctx, "", nil
	}
	if own, err = a.keys.Admit(values, a.where("metadata", cc.Target())); own != "" || err != nil {
		return ctx, own, err
	}
	md.Delete(a.opts.Header) // FromOutgoingContext returned a copy
	return metadata.NewOutgoingContext(ctx, md), "", nil
}

// where says in an error text where a credential is, and where its call goes.
func (a *Auth) where(in, to string) string {
	return fmt.Sprintf("%q in %s, in a call to %s", a.opts.Header, in, to)
}

// check compares cc's target with those that the key may go to (F131).
func (a *Auth) check(cc *grpc.ClientConn) error {
	target := cc.CanonicalTarget()
	switch {
	case len(a.opts.targets) == 0:
		return &callError{codes.Internal, fmt.Errorf("grpcauth: %w: no target was named: name that of grpc.NewClient by WithTarget, such as WithTarget(%q)", ErrTarget, "api.example.com:443")}
	case slices.Contains(a.opts.targets, cc.Target()), slices.Contains(a.opts.targets, target):
		return nil
	}
	return &callError{codes.Internal, fmt.Errorf("grpcauth: %w to %s: it is bound to %s: name every target that may have it in WithTarget",
		ErrTarget, target, strings.Join(a.opts.targets, ", "))}
}
