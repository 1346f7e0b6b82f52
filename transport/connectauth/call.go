package connectauth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"sync"
	"sync/atomic"

	"connectrpc.com/connect"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
)

// A call is one RPC on its way: its attempts, one after the other.
type call struct {
	auth *Auth
	ctx  context.Context

	mu      sync.Mutex // guards the rest
	a       ring.Attempt
	told    bool // the attempt has been told its outcome
	carries *carrier
	refused transport.Verdict // of the attempt before
}

// A carrier takes the key of one attempt to the transport, and back what became of
// it there.
type carrier struct {
	auth  *Auth
	value func() string // nil: the call passes as it is
	sent  atomic.Bool   // a request with the key went out
	left  atomic.Bool   // and one without, after a redirect
}

// begin begins a call's first attempt.
func (a *Auth) begin(ctx context.Context, repeatable bool) (*call, error) {
	attempt, err := a.ring.Attempt(ctx, repeatable)
	if err != nil {
		if ctx.Err() != nil {
			return nil, contextError(ctx)
		}
		return nil, connect.NewError(connect.CodeUnauthenticated, fmt.Errorf("connectauth: %w", err))
	}
	c := &call{auth: a, ctx: ctx, a: attempt}
	if err := c.sign(); err != nil {
		c.a.Unknown()
		return nil, err
	}
	return c, nil
}

// sign makes the carrier of an attempt.
func (c *call) sign() error {
	value, ok := c.a.Prepared(c.auth.slot).(func() string)
	if !ok {
		return connect.NewError(connect.CodeUnauthenticated,
			fmt.Errorf("connectauth: version %q: %w", c.a.Version(), source.ErrUnusable))
	}
	c.carries = &carrier{auth: c.auth, value: value}
	return nil
}

// carrier returns that of the attempt.
func (c *call) carrier() *carrier {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.carries
}

// judge says what err means for the key.
func (c *carrier) judge(err error) (v transport.Verdict) {
	if err == nil || errors.Is(err, io.EOF) {
		return transport.Passed
	}
	var e *connect.Error
	if !c.sent.Load() || c.left.Load() || !errors.As(err, &e) {
		return transport.Inconclusive
	}
	defer func() {
		if recover() != nil { // F97: it has nothing to say
			v = transport.Inconclusive
		}
	}()
	return c.auth.opts.classify(e)
}

// refusal reports whether v is one.
func refusal(v transport.Verdict) bool {
	return v == transport.Refused || v == transport.RefusedUnapplied || v == transport.Ambiguous
}

// again tells the ring what became of an attempt that ended with err, and reports
// whether there is another, after a refusal.
func (c *call) again(err error) bool {
	v := c.carrier().judge(err)
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
	case !c.carries.sent.Load(), c.carries.left.Load(), v == transport.Inconclusive, v == transport.ClockSkew:
		c.a.Unknown()
	case err == nil, errors.Is(err, io.EOF), connect.IsNotModifiedError(err):
		c.a.Accepted()
	case application(connect.CodeOf(err)) && (c.refused == transport.Refused || c.refused == transport.RefusedUnapplied):
		c.a.Accepted()
	default:
		c.a.Unknown()
	}
}

// application reports whether only an application gives that code: gRPC's status
// codes document lists those that no library generates, and no HTTP status becomes
// one of them in the Connect protocol.
func application(code connect.Code) bool {
	switch code {
	case connect.CodeInvalidArgument, connect.CodeNotFound, connect.CodeAlreadyExists, connect.CodeFailedPrecondition,
		connect.CodeAborted, connect.CodeOutOfRange, connect.CodeDataLoss:
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
func (c *call) end() { c.passed(nil, transport.Inconclusive) }

// final is what the caller gets for err: the context's end, where that kept a
// refused call from being made again (F41), and no text with the key in it (F57).
func (c *call) final(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	c.mu.Lock()
	carrier, secret := c.carries, c.a.Key().Secret.Expose()
	c.mu.Unlock()
	code := connect.CodeOf(err)
	switch {
	case code == connect.CodeUnauthenticated && !carrier.sent.Load() && !carrier.left.Load():
		return connect.NewError(code, fmt.Errorf("connectauth: %w: %w", ErrNoTransport, err))
	case refusal(carrier.judge(err)) && c.ctx.Err() != nil:
		return contextError(c.ctx)
	case !strings.Contains(err.Error(), secret):
		return err
	}
	clean := errors.New(strings.ReplaceAll(err.Error(), secret, "[redacted]"))
	var e *connect.Error
	if !errors.As(err, &e) {
		return clean
	}
	clean = errors.New(strings.ReplaceAll(e.Message(), secret, "[redacted]"))
	redacted := connect.NewError(code, clean)
	if connect.IsWireError(e) {
		redacted = connect.NewWireError(code, clean)
	}
	for _, d := range e.Details() {
		redacted.AddDetail(d)
	}
	maps.Copy(redacted.Meta(), e.Meta())
	return redacted
}

// contextError is ctx's end as Connect would tell it.
func contextError(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return connect.NewError(connect.CodeDeadlineExceeded, ctx.Err())
	}
	return connect.NewError(connect.CodeCanceled, ctx.Err())
}
