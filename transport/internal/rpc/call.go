package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
)

// A Carrier takes the key of one attempt to where its request is written, and back what
// became of it there.
type Carrier struct {
	Value func() string // of the header; nil: the call passes as it is
	Sent  atomic.Bool   // a request with the key went out
	Left  atomic.Bool   // and one without, after a redirect
}

// A Call is one RPC on its way: its attempts, one after the other. It tells the ring what
// became of each, once. It is safe for concurrent use.
type Call struct {
	auth *Auth
	ctx  context.Context

	mu      sync.Mutex // guards the rest
	attempt ring.Attempt
	carrier *Carrier
	told    bool              // the attempt has been told its outcome
	refused transport.Verdict // of the attempt before
}

// Begin begins a call's first attempt, whose key on takes.
func (a *Auth) Begin(ctx context.Context, on *Carrier, repeatable bool) (*Call, error) {
	attempt, err := a.ring.Attempt(ctx, repeatable)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, a.ended(ctx)
	case err != nil:
		return nil, a.Error(Unauthenticated, fmt.Errorf("%s: %w", a.Package, err))
	}
	c := &Call{auth: a, ctx: ctx, attempt: attempt}
	if err := c.load(on); err != nil {
		c.attempt.Unknown()
		return nil, err
	}
	return c, nil
}

// load gives on the attempt's key.
func (c *Call) load(on *Carrier) error {
	value, ok := c.attempt.Prepared(c.auth.slot).(func() string)
	if !ok {
		return c.auth.Error(Unauthenticated,
			fmt.Errorf("%s: version %q: %w", c.auth.Package, c.attempt.Version(), source.ErrUnusable))
	}
	on.Value = value
	c.carrier = on
	return nil
}

// Carrier returns that of the attempt.
func (c *Call) Carrier() *Carrier {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.carrier
}

// Verdict says what err, with which the attempt of on ended, means for its key.
func (a *Auth) Verdict(on *Carrier, err error) (v transport.Verdict) {
	switch {
	case !on.Sent.Load(), on.Left.Load(): // the answer is not about the key
		return transport.Inconclusive
	case a.Code(err) == OK:
		return transport.Passed
	}
	defer func() {
		if recover() != nil {
			v = transport.Inconclusive
		}
	}()
	return a.Classify(err)
}

// Refusal reports whether err, with which the attempt of on ended, refuses its key.
func (a *Auth) Refusal(on *Carrier, err error) bool { return refusal(a.Verdict(on, err)) }

func refusal(v transport.Verdict) bool { return definite(v) || v == transport.Ambiguous }

func definite(v transport.Verdict) bool {
	return v == transport.Refused || v == transport.RefusedUnapplied
}

// Again tells the ring what became of the attempt, which ended with err, and reports
// whether there is another one, after a refusal. It blocks while the source is asked for
// another key, within the call's context.
func (c *Call) Again(err error) bool {
	v := c.auth.Verdict(c.Carrier(), err)
	if !refusal(v) || c.ctx.Err() != nil {
		c.tell(v, c.auth.Code(err))
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.told:
		return false
	case !c.attempt.Next(c.ctx, v == transport.Ambiguous):
		c.told = true
		return false
	case c.load(new(Carrier)) != nil:
		c.told = true
		c.attempt.Unknown()
		return false
	}
	c.refused = v
	return true
}

// Ended tells the ring what became of the attempt, which ended with err, or, with nil,
// whose first message came. There is no other attempt.
func (c *Call) Ended(err error) { c.tell(c.auth.Verdict(c.Carrier(), err), c.auth.Code(err)) }

// End tells the ring that nothing is known, if it was told nothing.
func (c *Call) End() { c.tell(transport.Inconclusive, OK) }

func (c *Call) tell(v transport.Verdict, code Code) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.told {
		return
	}
	c.told = true
	switch {
	case definite(v) && c.ctx.Err() == nil:
		c.attempt.Refused()
	case v == transport.Passed && (code == OK || code.application() && definite(c.refused)):
		c.attempt.Accepted()
	default:
		c.attempt.Unknown()
	}
}

// Final is what the caller gets for err: the context's end, where that kept a refused call
// from being made again (F41), and no text with the key in it (F57).
func (c *Call) Final(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	c.mu.Lock()
	on, secret := c.carrier, c.attempt.Key().Secret.Expose()
	c.mu.Unlock()
	switch {
	case c.ctx.Err() != nil && c.auth.Refusal(on, err):
		return c.auth.ended(c.ctx)
	case !strings.Contains(err.Error(), secret):
		return err
	}
	return c.auth.Redact(err, func(text string) string { return strings.ReplaceAll(text, secret, "[redacted]") })
}
