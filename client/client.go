package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
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
	ring *ring.Ring
	keys *transport.Transport
	own  *http.Transport // made by New; Close closes its idle connections
}

// Option sets how [New] makes a client.
type Option func(*config)

type config struct {
	scheme    transport.Scheme
	timeout   *time.Duration // nil: wait limits requests without a deadline
	wait      time.Duration  // for the header, then for each piece of the body
	retries   int
	ring      []ring.Option
	transport []transport.Option
}

// WithScheme sets how the key is put on a request. Default: [transport.Bearer].
func WithScheme(s transport.Scheme) Option { return func(c *config) { c.scheme = s } }

// WithProvider applies the profile of an API: its scheme, classifier, origins,
// lockout rule, and whether its responses are slow. Later options override the
// profile. A profile without a Classifier or without Origins keeps those of
// earlier options.
func WithProvider(p provider.Profile) Option {
	return func(c *config) {
		c.scheme = p.Scheme
		if p.Classifier != nil {
			c.transport = append(c.transport, transport.WithClassifier(p.Classifier))
		}
		if len(p.Origins) > 0 { // F53: an empty list would erase the caller's origins
			c.transport = append(c.transport, transport.WithOrigin(p.Origins...))
		}
		c.wait = defaultLimit
		if p.Slow {
			c.wait = slowLimit
		}
		if p.Lockout {
			c.ring = append(c.ring, ring.WithLockout())
		}
	}
}

// WithOrigin sets the origins that may receive the key, such as
// "https://api.example.com". Default: the origin of the first request. See
// [transport.WithOrigin].
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

func configure(opts []Option) config {
	cfg := config{scheme: transport.Bearer(), wait: defaultLimit}
	for _, opt := range opts {
		if opt != nil { // F125
			opt(&cfg)
		}
	}
	return cfg
}

// New returns a client that takes its keys from src. Like [ring.Keep], it blocks
// until the source delivers the first usable set, or until ctx ends. Give ctx a
// deadline: without one, New waits for ever for a key that does not come, such as
// that of a file whose path is wrong, and logs every 30 s that it waits. Once New
// has returned, ctx has no effect. New fails at once if no key can ever come: if
// an environment variable is not set, or if src or the scheme is nil. The error
// wraps [source.ErrNoKey].
func New(ctx context.Context, src source.Source, opts ...Option) (*Client, error) {
	cfg := configure(opts)
	c := &Client{own: newBase()}
	keys, err := transport.Keep(ctx, src, cfg.scheme, cfg.ring,
		append([]transport.Option{transport.WithBase(c.own)}, cfg.transport...)...)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	c.ring, c.keys = keys.Ring(), keys
	var rt below = c.keys
	if cfg.retries > 0 {
		rt = newRetry(rt, cfg.retries, cfg.scheme)
	}
	if cfg.timeout == nil {
		c.Client = &http.Client{Transport: &limit{rt, cfg.wait}}
	} else {
		c.Client = &http.Client{Transport: rt, Timeout: *cfg.timeout}
	}
	return c, nil
}

// below is the key transport, or what stands above it.
type below interface {
	http.RoundTripper
	CloseIdleConnections()
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

// FromEnv returns a client configured by environment variables. With the prefix
// EXCHANGE it reads
//
//	EXCHANGE_KEY_SOURCE  a source string, see [Parse]; default env://EXCHANGE?pair=true
//	EXCHANGE_KEY_SCHEME  bearer (default), basic, header:NAME or query:NAME
//	EXCHANGE_ORIGIN      the origins that may receive the key, separated by commas
//	EXCHANGE_TIMEOUT     a duration such as 30s, see [WithTimeout]; default as there
//
// Options override the variables. An invalid value is an error that wraps
// [source.ErrInvalid] and names the variable. FromEnv blocks like [New].
func FromEnv(ctx context.Context, prefix string, opts ...Option) (*Client, error) {
	var set []Option
	invalid := func(name string) (*Client, error) {
		return nil, fmt.Errorf("client: %w: environment variable %s_%s", source.ErrInvalid, prefix, name)
	}
	if s := os.Getenv(prefix + "_KEY_SCHEME"); s != "" {
		scheme := parseScheme(s)
		if scheme == nil {
			return invalid("KEY_SCHEME")
		}
		// New does not name the variable.
		if _, err := scheme.Prepare(source.Key{ID: "id", Secret: source.NewSecret("secret")}); err != nil {
			return invalid("KEY_SCHEME")
		}
		set = append(set, WithScheme(scheme))
	}
	if s := os.Getenv(prefix + "_ORIGIN"); s != "" {
		origins := strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
		// Check with the caller's options: WithInsecureHTTP allows plain http. An
		// empty list is an error, because the first request would choose the origin.
		cfg := configure(append(slices.Clone(opts), WithOrigin(origins...)))
		err := transport.New(nil, cfg.scheme, cfg.transport...).Err()
		if len(origins) == 0 || errors.Is(err, transport.ErrOrigin) || errors.Is(err, transport.ErrInsecure) {
			return invalid("ORIGIN")
		}
		set = append(set, WithOrigin(origins...))
	}
	if s := os.Getenv(prefix + "_TIMEOUT"); s != "" {
		d, err := time.ParseDuration(s)
		if err != nil || d < 0 {
			return invalid("TIMEOUT")
		}
		set = append(set, WithTimeout(d))
	}
	keys := os.Getenv(prefix + "_KEY_SOURCE")
	if keys == "" {
		keys = "env://" + prefix + "?pair=true"
	}
	return Parse(ctx, keys, append(set, opts...)...)
}

func parseScheme(s string) transport.Scheme {
	kind, name, named := strings.Cut(s, ":")
	switch {
	case kind == "bearer" && !named:
		return transport.Bearer()
	case kind == "basic" && !named:
		return transport.Basic()
	case kind == "header" && name != "":
		return transport.Header(name)
	case kind == "query" && name != "":
		return transport.Query(name)
	}
	return nil
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

// Transport returns the RoundTripper that attaches the keys, for use in another
// http.Client or RoundTripper. [WithRetry] and [WithTimeout] do not apply to it.
// After Close of the Client, its requests fail too.
func (c *Client) Transport() *transport.Transport { return c.keys }

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
