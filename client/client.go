package client

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	_ "github.com/rollingkeys/rollingkeys/source/env" // source strings
	_ "github.com/rollingkeys/rollingkeys/source/file"
	_ "github.com/rollingkeys/rollingkeys/source/remote"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

// A Client is an *http.Client whose requests carry the current key. It is safe
// for concurrent use. Make one Client for each credential, and close it after
// use. Requests of a zero Client fail with an error that wraps [source.ErrNoKey].
type Client struct {
	*http.Client
	ring  *ring.Ring
	chain *Transport
	own   *http.Transport // made by New; Close closes its idle connections
}

// Option sets how [New] makes a client.
type Option func(*config)

// WithScheme sets how the key is put on a request. Default: the scheme of
// [WithProvider], or [transport.Bearer].
func WithScheme(s transport.Scheme) Option { return func(c *config) { c.scheme = &s } }

// WithProvider applies the profile of an API: its scheme, classifier, origins,
// lockout rule, and whether its responses are slow. Every other option overrides
// the profile, wherever it stands: with WithOrigin(provider.BinanceTestnet) the
// key goes to the test network only. If WithProvider is given more than once, the
// last counts.
func WithProvider(p provider.Profile) Option { return func(c *config) { c.profile = &p } }

// WithOrigin sets the origins that may receive the key, such as
// "https://api.example.com". It is required, unless [WithProvider] names a profile
// with origins. See [transport.WithOrigin].
func WithOrigin(origins ...string) Option {
	return WithTransport(transport.WithOrigin(origins...))
}

// WithOverride replaces a credential that a request already carries with the
// client's key. It is for use under an SDK, since most SDKs set the credential
// header themselves. Default: such a request fails with
// [transport.ErrCredential]. See [transport.WithOverride].
func WithOverride() Option { return WithTransport(transport.WithOverride()) }

// WithPassThrough sends a request that already carries a credential unchanged.
// Default: such a request fails with [transport.ErrCredential]. See
// [transport.WithPassThrough].
func WithPassThrough() Option { return WithTransport(transport.WithPassThrough()) }

// WithBase sets the RoundTripper that sends the requests. Close does not close
// its connections. Default, also for a nil base: a transport that belongs to the
// client, with the settings of http.DefaultTransport and up to 64 idle
// connections per host.
func WithBase(base http.RoundTripper) Option {
	if base == nil {
		return nil
	}
	return WithTransport(transport.WithBase(base))
}

// WithTimeout bounds the total time of a request: all attempts, redirects, and
// reading the body of the response. 0 means no limit.
//
// Without WithTimeout, the deadline of the request's context is the limit. If
// the context has no deadline, the client waits up to 60 s for the response
// header, over all attempts, and then up to 60 s for each further piece of the
// body. So a stream goes on as long as data arrives. While a large request body
// is being sent, each piece sent starts the first limit again. With a
// [provider.Profile] that is Slow, such as that of a language model, both limits
// are 10 min. The error is a net.Error whose Timeout method reports true, and it
// wraps context.DeadlineExceeded.
func WithTimeout(d time.Duration) Option { return func(c *config) { c.timeout = &d } }

// WithRetry repeats a request that failed for a temporary reason (connection
// lost, or status 429, 502, 503 or 504) up to n times. Default: 0.
//
// The pause before a retry doubles from 200 ms to 5 s, plus up to half of that
// at random. If the response has a Retry-After header (RFC 9110 section 10.2.3)
// of up to 5 s, the pause is at least that long. A response that asks for a
// longer pause is returned to the caller at once, and so is the response of the
// last try. Of a response that is not returned, at most 64 KiB are read, for at
// most 100 ms, before its body is closed.
//
// Only idempotent requests are repeated: GET, HEAD, OPTIONS, TRACE, PUT and
// DELETE (RFC 9110 section 9.2.2), and others that carry an Idempotency-Key or
// X-Idempotency-Key header. A request that the scheme declares NotIdempotent is
// never repeated, whatever its method; see [transport.Traits]. A request with a
// body is repeated only if it has a GetBody: nothing is buffered.
//
// A refusal of the key is no temporary failure: the transport answers it with
// attempts of its own. Each try may therefore take two attempts, in rare cases
// up to four, plus one after a clock error.
func WithRetry(n int) Option { return func(c *config) { c.retries = n } }

// WithRing sets options of the ring that keeps the keys live, such as overlap,
// polling interval, cache and events.
func WithRing(opts ...ring.Option) Option {
	return func(c *config) { c.ring = append(c.ring, opts...) }
}

// WithTransport sets options of the transport that attaches the keys and
// recognizes refusals.
func WithTransport(opts ...transport.Option) Option {
	return func(c *config) { c.transport = append(c.transport, opts...) }
}

// New returns a client that takes its keys from src. Like [ring.Keep], it blocks
// until the source delivers the first usable set, or until ctx ends. Give ctx a
// deadline: without one, New waits for ever for a key that does not come, such as
// that of a file whose path is wrong, and logs every 30 s that it waits. Once New
// has returned, ctx has no effect. New fails at once if no key can ever come: if
// an environment variable is not set, or if src or the scheme is nil. The error
// wraps [source.ErrNoKey]. It also fails if no origin is named; the error wraps
// [transport.ErrOrigin].
//
// Each client has connections of its own. If a program has many clients for one
// API, such as one for each tenant, give them one base, [WithBase], so that they
// share its connections: see the example Tenants.
func New(ctx context.Context, src source.Source, opts ...Option) (*Client, error) {
	cfg := configure(opts)
	c := &Client{own: newBase()}
	keys, err := transport.Keep(ctx, src, cfg.schemeInUse(), cfg.ringOptions(), cfg.transportOptions(transport.WithBase(c.own))...)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	c.ring, c.chain = keys.Ring(), newTransport(keys, cfg)
	c.Client = &http.Client{Transport: c.chain}
	if cfg.timeout != nil {
		c.Client.Timeout = *cfg.timeout // over all redirects
	}
	return c, nil
}

// Parse returns a client that takes its keys from the source that s names, such
// as "file:///run/secrets/api-key?overlap=1h"; see [source.Parse] for the
// format. This package registers the sources file, env and https. Import the
// package of any other source to register it. Parse blocks like [New]. Options
// override the parameters of s.
func Parse(ctx context.Context, s string, opts ...Option) (*Client, error) {
	src, params, err := source.Parse(s)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	return New(ctx, src, append([]Option{WithRing(ring.WithParams(params))}, opts...)...)
}

// newBase returns a new transport. It never uses http.DefaultTransport itself,
// since a program may have replaced it, even by this client (F45).
func newBase() *http.Transport {
	base := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true}
	if d, ok := http.DefaultTransport.(*http.Transport); ok {
		base = d.Clone()
	}
	base.MaxIdleConns = 256
	base.MaxIdleConnsPerHost = 64
	base.IdleConnTimeout = 90 * time.Second
	base.TLSHandshakeTimeout = 10 * time.Second
	base.ResponseHeaderTimeout = 0 // WithTimeout and limit bound the request instead
	return base
}

// Transport returns the RoundTripper of the client, for use in another
// http.Client or in a [transport.Route]. After Close of the Client, its requests
// fail too.
func (c *Client) Transport() *Transport {
	if c.chain == nil {
		return &Transport{} // of a zero Client: its methods fail, and do not panic (F109)
	}
	return c.chain
}

// Ring returns the ring that keeps the keys live, for example to subscribe to
// its events. It is nil for a zero Client.
func (c *Client) Ring() *ring.Ring { return c.ring }

// Status returns the known key versions, their states, and the version in use.
// It does not block.
func (c *Client) Status() ring.Status { return c.ring.Status() }

// Refresh reads the source now and blocks until the result is in use or ctx
// ends; see [ring.Ring.Refresh].
func (c *Client) Refresh(ctx context.Context) error { return c.ring.Refresh(ctx) }

// Close stops watching the source. Requests in flight finish; new requests fail
// with an error that wraps [ring.ErrClosed]. A second Close does nothing.
func (c *Client) Close() error {
	err := c.ring.Close()
	if c.own != nil {
		c.own.CloseIdleConnections()
	}
	return err
}
