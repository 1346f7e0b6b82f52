package rpc

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
)

// A Carrier passes the key of one attempt to the code that writes the request, and
// passes back whether the key was sent.
type Carrier struct {
	Value func() string // returns the value of the header; nil: send the call unchanged
	Sent  atomic.Bool   // a request with the key was sent
	Left  atomic.Bool   // a request without the key was sent, after a redirect
}

// A Call is one RPC with its attempts, one after the other. It reports the outcome of
// each attempt to the ring once. It is safe for concurrent use.
type Call struct {
	auth *Auth
	ctx  context.Context

	mu      sync.Mutex // guards the rest
	attempt ring.Attempt
	carrier *Carrier
	told    bool              // the outcome of the attempt was reported
	refused transport.Verdict // the verdict about the attempt before
}

// Begin begins the first attempt of a call. on gets its key.
func (a *Auth) Begin(ctx context.Context, on *Carrier, repeatable bool) (*Call, error) {
	attempt, err := a.ring.Attempt(ctx, repeatable)
	if ctx == nil {
		ctx = context.Background() // err says that it is nil
	}
	switch {
	case errors.Is(err, ring.ErrRefused) && ctx.Err() != nil:
		return nil, a.ended(fmt.Errorf("%w: %w", ctx.Err(), ring.ErrRefused)) // F133
	case err != nil && ctx.Err() != nil:
		return nil, a.ended(ctx.Err())
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

// load puts the attempt's key in on.
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

// Carrier returns the attempt's carrier.
func (c *Call) Carrier() *Carrier {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.carrier
}

// Verdict returns what err means for the key. err ended the attempt whose carrier is
// on.
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

// Refusal reports whether err refuses the key. err ended the attempt whose carrier is
// on.
func (a *Auth) Refusal(on *Carrier, err error) bool { return refusal(a.Verdict(on, err)) }

func refusal(v transport.Verdict) bool { return definite(v) || v == transport.Ambiguous }

func definite(v transport.Verdict) bool {
	return v == transport.Refused || v == transport.RefusedUnapplied
}

// Again reports to the ring the outcome of the attempt, which ended with err. It
// returns true if the key was refused and there is another attempt. It blocks while the
// source is asked for another key, within the call's context.
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

// Ended reports to the ring the outcome of the attempt, which ended with err. If err is
// nil, its first message arrived. There is no other attempt.
func (c *Call) Ended(err error) { c.tell(c.auth.Verdict(c.Carrier(), err), c.auth.Code(err)) }

// End reports that the outcome is unknown, if no outcome was reported.
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
	case v == transport.Passed && code == PermissionDenied: // F138
		c.attempt.Denied("each call ended with PermissionDenied: if the server refuses keys by it, use WithClassifier")
	default:
		c.attempt.Unknown()
	}
}

// Final returns the error that the caller gets for err. If the context ended before a
// refused call could be made again, it is the context's error (F41). Its text never
// contains the key (F57).
func (c *Call) Final(err error) error {
	if c.auth.Code(err) == OK {
		return err
	}
	c.mu.Lock()
	on, secret := c.carrier, c.attempt.Key().Secret.Expose()
	c.mu.Unlock()
	switch {
	case c.ctx.Err() != nil && c.auth.Refusal(on, err):
		return c.auth.ended(fmt.Errorf("%w: %w", c.ctx.Err(), ring.ErrRefused)) // F133
	case !strings.Contains(err.Error(), secret):
		return err
	}
	return c.auth.Redact(err, func(text string) string { return strings.ReplaceAll(text, secret, "[redacted]") })
}
