package grpcauth

import (
	"context"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport/internal/rpc"
)

// A call is one RPC with the caller's options.
type call struct {
	*rpc.Call
	auth     *Auth
	opts     []grpc.CallOption // the caller's, without those in the fields below
	onFinish []func(error)
	creds    credentials.PerRPCCredentials

	finished atomic.Bool

	mu  sync.Mutex    // guards the rest
	own *ring.Attempt // counts the use of the caller's own key, which creds returned
}

// begin begins a call's first attempt.
func (a *Auth) begin(ctx context.Context, opts []grpc.CallOption, repeatable bool) (*call, error) {
	attempts, err := a.keys.Begin(ctx, new(rpc.Carrier), repeatable)
	if err != nil {
		return nil, err
	}
	c := &call{Call: attempts, auth: a, opts: opts}
	c.split()
	return c, nil
}

// split moves the options that must not be passed to each attempt from opts to fields
// of their own.
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

// options returns the options of one attempt.
func (c *call) options(more ...grpc.CallOption) []grpc.CallOption {
	return slices.Concat(c.opts, more, []grpc.CallOption{grpc.PerRPCCredentials(&credential{c, c.Carrier()})})
}

// passThrough records that the call carries the caller's own credential.
func (c *call) passThrough(value, where string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.own == nil {
		use := c.auth.keys.Caller(value, where)
		c.own = &use
	}
}

// end reports to the ring that the outcome is unknown, if none was reported.
func (c *call) end() {
	c.End()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.own != nil {
		c.own.End()
	}
}

// finish ends the call and calls the caller's OnFinish functions, once.
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

// A credential passes the key of one attempt to gRPC, which asks for it whenever it
// writes the attempt's headers, also for gRPC's own retries.
type credential struct {
	call    *call
	carrier *rpc.Carrier
}

// RequireTransportSecurity makes gRPC check the connection before it asks for the key.
func (c *credential) RequireTransportSecurity() bool {
	also := c.call.creds
	return !c.call.auth.opts.insecure || also != nil && also.RequireTransportSecurity()
}

// GetRequestMetadata returns the key and what the caller's own credentials return.
func (c *credential) GetRequestMetadata(ctx context.Context, uri ...string) (map[string]string, error) {
	header := c.call.auth.opts.Header
	all := make(map[string]string, 1)
	if also := c.call.creds; also != nil {
		theirs, err := also.GetRequestMetadata(ctx, uri...)
		if err != nil {
			return nil, err
		}
		for k, v := range theirs {
			if k = strings.ToLower(k); k == header {
				where := c.call.auth.where("grpc.PerRPCCredentials", strings.Join(uri, " "))
				if own, err := c.call.auth.keys.Admit([]string{v}, where); err != nil {
					return nil, err
				} else if own != "" {
					c.call.passThrough(own, where)
					return theirs, nil
				}
			}
			all[k] = v
		}
	}
	all[header] = c.carrier.Value()
	c.carrier.Sent.Store(true)
	return all, nil
}
