package grpcauth

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
)

// A call is one RPC on its way: its attempts, one after the other.
type call struct {
	auth     *Auth
	ctx      context.Context
	opts     []grpc.CallOption // the caller's, without those that follow
	onFinish []func(error)
	creds    credentials.PerRPCCredentials

	finished atomic.Bool

	mu      sync.Mutex // guards the rest
	a       ring.Attempt
	told    bool              // the attempt has been told its outcome
	cred    *credential       // of the attempt
	refused transport.Verdict // of the attempt before
	own     *ring.Attempt     // with a key of the caller's own, out of creds
}

// begin begins a call's first attempt.
func (a *Auth) begin(ctx context.Context, opts []grpc.CallOption, repeatable bool) (*call, error) {
	attempt, err := a.ring.Attempt(ctx, repeatable)
	if err != nil {
		if ctx.Err() != nil {
			return nil, status.FromContextError(ctx.Err()).Err()
		}
		return nil, &callError{codes.Unauthenticated, fmt.Errorf("grpcauth: %w", err)}
	}
	c := &call{auth: a, ctx: ctx, a: attempt, opts: opts}
	c.split()
	if err := c.sign(); err != nil {
		c.a.Unknown()
		return nil, err
	}
	return c, nil
}

// split takes the options that a call must not hand on to each attempt out of opts.
func (c *call) split() {
	special := func(o grpc.CallOption) bool {
		switch o := o.(type) {
		case grpc.OnFinishCallOption:
			c.onFinish = append(c.onFinish, o.OnFinish)
			return true
		case grpc.PerRPCCredsCallOption:
			c.creds = o.Creds // the last counts
			return true
		}
		return false
	}
	opts := make([]grpc.CallOption, 0, len(c.opts))
	for _, o := range c.opts {
		if !special(o) {
			opts = append(opts, o)
		}
	}
	c.opts = opts
}

// sign makes the credential of an attempt.
func (c *call) sign() error {
	value, ok := c.a.Prepared(c.auth.slot).(func() string)
	if !ok {
		return &callError{codes.Unauthenticated,
			fmt.Errorf("grpcauth: version %q: %w", c.a.Version(), source.ErrUnusable)}
	}
	c.cred = &credential{call: c, auth: c.auth, value: value, also: c.creds}
	return nil
}

// credential returns that of the attempt.
func (c *call) credential() *credential {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cred
}

// options are those of one attempt.
func (c *call) options(more ...grpc.CallOption) []grpc.CallOption {
	return slices.Concat(c.opts, more, []grpc.CallOption{grpc.PerRPCCredentials(c.credential())})
}

// judge says what err means for the key of the attempt.
func (c *call) judge(err error) transport.Verdict {
	return c.credential().judge(err)
}

// refusal reports whether v is one.
func refusal(v transport.Verdict) bool {
	return v == transport.Refused || v == transport.RefusedUnapplied || v == transport.Ambiguous
}

// again tells the ring what became of an attempt that ended with err, and reports
// whether there is another, after a refusal.
func (c *call) again(err error) bool {
	v := c.judge(err)
	if !refusal(v) {
		c.passed(err, v)
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.told {
		return false
	}
	if c.ctx.Err() != nil {
		c.told = true
		c.a.Unknown()
		return false
	}
	if !c.a.Next(c.ctx, v == transport.Ambiguous) {
		c.told = true
		return false
	}
	c.refused = v
	if c.sign() != nil {
		c.told = true
		c.a.Unknown()
		return false
	}
	return true
}

// passed tells the ring that an attempt ended with err, which is no refusal, or,
// with nil, that a message came.
func (c *call) passed(err error, v transport.Verdict) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.told {
		return
	}
	c.told = true
	switch {
	case !c.cred.sent.Load(), v == transport.Inconclusive, v == transport.ClockSkew:
		c.a.Unknown()
	case err == nil, err == io.EOF:
		c.a.Accepted()
	case application(status.Code(err)) && (c.refused == transport.Refused || c.refused == transport.RefusedUnapplied):
		c.a.Accepted()
	default:
		c.a.Unknown()
	}
}

// application reports whether only an application gives a status of that code: the
// status codes document lists those that no gRPC library generates. Unimplemented is
// not among them: a client makes it of a proxy's 404.
func application(code codes.Code) bool {
	switch code {
	case codes.InvalidArgument, codes.NotFound, codes.AlreadyExists, codes.FailedPrecondition,
		codes.Aborted, codes.OutOfRange, codes.DataLoss:
		return true
	}
	return false
}

// refuse tells the ring of a refusal after which the call cannot be made again.
func (c *call) refuse(v transport.Verdict) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.told {
		return
	}
	c.told = true
	if v == transport.Ambiguous || c.ctx.Err() != nil {
		c.a.Unknown()
	} else {
		c.a.Refused()
	}
}

// end tells the ring that nothing is known, if it was told nothing.
func (c *call) end() {
	c.passed(nil, transport.Inconclusive)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.own != nil {
		c.own.End()
	}
}

// passThrough notes that the call carries a credential of the caller's own.
func (c *call) passThrough(value string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.own == nil {
		use := c.auth.caller(value, inCredentials)
		c.own = &use
	}
}

// finish ends the call, and calls the caller's OnFinish functions, once.
func (c *call) finish(err error) {
	if c.finished.Swap(true) {
		return
	}
	c.end()
	if err == io.EOF {
		err = nil
	}
	for _, f := range c.onFinish {
		f(err)
	}
}

// final is what the caller gets for err: the context's end, where that kept a
// refused call from being made again (F41), and no text with the key in it (F57).
func (c *call) final(err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	if refusal(c.judge(err)) && c.ctx.Err() != nil {
		return status.FromContextError(c.ctx.Err()).Err()
	}
	c.mu.Lock()
	secret := c.a.Key().Secret.Expose()
	c.mu.Unlock()
	if !strings.Contains(err.Error(), secret) {
		return err
	}
	s, _ := status.FromError(err)
	p := s.Proto()
	p.Message = strings.ReplaceAll(p.Message, secret, "[redacted]")
	return status.ErrorProto(p)
}

// A credential carries the key of one attempt to gRPC, which asks for it
// whenever it writes the attempt's headers: again for a retry of its own.
type credential struct {
	call  *call
	auth  *Auth
	value func() string
	also  credentials.PerRPCCredentials // the caller's
	sent  atomic.Bool
}

// judge says what err means for the key.
func (c *credential) judge(err error) (v transport.Verdict) {
	if err == nil || err == io.EOF {
		return transport.Passed
	}
	if !c.sent.Load() { // no server has seen the key: gRPC says Unauthenticated of an insecure connection, too
		return transport.Inconclusive
	}
	defer func() {
		if recover() != nil { // F97: it has nothing to say
			v = transport.Inconclusive
		}
	}()
	s, _ := status.FromError(err)
	return c.auth.opts.classify(s)
}

// RequireTransportSecurity makes gRPC check the connection before it asks.
func (c *credential) RequireTransportSecurity() bool {
	return !c.auth.opts.insecure || c.also != nil && c.also.RequireTransportSecurity()
}

// GetRequestMetadata returns the key, and what the caller's own credentials return.
func (c *credential) GetRequestMetadata(ctx context.Context, uri ...string) (map[string]string, error) {
	header := c.auth.opts.header
	all := make(map[string]string, 1)
	if c.also != nil {
		own, err := c.also.GetRequestMetadata(ctx, uri...)
		if err != nil {
			return nil, err
		}
		for k, v := range own {
			if k = strings.ToLower(k); k == header && c.auth.credential(v) {
				switch c.auth.opts.own {
				case ownRefused:
					return nil, c.auth.ownCredential(inCredentials)
				case ownPassed:
					c.call.passThrough(v)
					return own, nil
				}
			}
			all[k] = v
		}
	}
	all[header] = c.value()
	c.sent.Store(true)
	return all, nil
}
