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
// for concurrent use; make one for each credential, and Close it. The requests
// of one that no function here made fail with an error that wraps [source.ErrNoKey].
type Client struct {
	*http.Client
	ring *ring.Ring
	keys *transport.Transport
	own  *http.Transport // the base that was made here
}

// Option sets how [New] makes a client.
type Option func(*config)

type config struct {
	scheme    transport.Scheme
	timeout   *time.Duration // nil: wait is the limit
	wait      time.Duration
	retries   int
	ring      []ring.Option
	transport []transport.Option
}

// WithScheme sets how the key goes onto a request. Default transport.Bearer.
func WithScheme(s transport.Scheme) Option { return func(c *config) { c.scheme = s } }

// WithProvider sets all that is known about an API: scheme, classifier, origins,
// lockout, and how long its answers take. Options after it change what it set; what the profile leaves open stays
// as it is.
func WithProvider(p provider.Profile) Option {
	return func(c *config) {
		c.scheme = p.Scheme
		if p.Classifier != nil {
			c.transport = append(c.transport, transport.WithClassifier(p.Classifier))
		}
		if len(p.Origins) > 0 { // F53: none would erase the caller's
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

// WithOrigin names the origins that may get the key, such as
// "https://api.example.com"; see [transport.WithOrigin].
func WithOrigin(origins ...string) Option {
	return WithTransport(transport.WithOrigin(origins...))
}

// WithOverride sends the client's key in place of a credential that a request comes
// with: for use under an SDK, most of which set the header themselves. Default: such a
// request fails with [transport.ErrCredential]. See [transport.WithOverride].
func WithOverride() Option { return WithTransport(transport.WithOverride()) }

// WithPassThrough sends a request that comes with a credential of its own as it is;
// see [transport.WithPassThrough].
func WithPassThrough() Option { return WithTransport(transport.WithPassThrough()) }

// WithBase sets the RoundTripper that sends the requests; Close leaves it alone.
// Default: a transport of the client's own, with the settings of
// http.DefaultTransport and up to 64 idle connections a host.
func WithBase(base http.RoundTripper) Option {
	if base == nil {
		return nil
	}
	return WithTransport(transport.WithBase(base))
}

// WithTimeout bounds a request, with all its attempts, its redirects and the body of
// its answer; 0 means no bound.
//
// Without it a request waits for as long as its context's deadline allows. If that has
// none, it waits 60 s for the header of its answer, with all attempts, and then 60 s for
// each next piece of the body, so that a stream is not cut while something comes, nor is
// an upload while something goes. With
// a profile that is Slow, as those of language models are, both are 10 min. The error
// is one of a time-out (net.Error's Timeout) and wraps context.DeadlineExceeded.
func WithTimeout(d time.Duration) Option { return func(c *config) { c.timeout = &d } }

// WithRetry sends a request that failed for a passing reason (connection lost,
// 429, 502, 503, 504) again, up to n times. Default 0.
//
// The pauses between double from 200 ms to 5 s, and are longer by up to half at
// random. A Retry-After (RFC 9110 section 10.2.3) of up to 5 s is waited out; an
// answer that asks for more goes back at once, as does that of the last try. Of
// an answer that does not go back 64 KiB are read at most, for 100 ms at most.
//
// Only requests that may be repeated are: GET, HEAD, OPTIONS, TRACE, PUT,
// DELETE, and others that have an Idempotency-Key or X-Idempotency-Key; and only
// if their body can be had again: nothing is buffered. Requests that their
// scheme says have an effect whatever the method are none (see
// [transport.Traits], NotIdempotent). Each of these tries may
// take the attempts that the key transport makes: two, at the very most four, and
// one for a clock.
func WithRetry(n int) Option { return func(c *config) { c.retries = n } }

// WithRing sets how the keys are kept: overlap, polling, cache, events.
func WithRing(opts ...ring.Option) Option {
	return func(c *config) { c.ring = append(c.ring, opts...) }
}

// WithTransport sets how keys are put on requests and refusals read.
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

// New returns a client that draws its keys from src. It waits for the first set
// as [ring.Keep] does: ctx bounds the waiting, and nothing after it.
func New(ctx context.Context, src source.Source, opts ...Option) (*Client, error) {
	cfg := configure(opts)
	c := &Client{own: newBase()}
	keys, err := transport.Keep(ctx, src, cfg.scheme, cfg.ring,
		append([]transport.Option{transport.WithBase(c.own)}, cfg.transport...)...)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	c.ring, c.keys = keys.Ring(), keys
	var rt http.RoundTripper = c.keys
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

// Parse returns a client that draws its keys from the source that the string
// names, such as "file:///run/secrets/api-key?overlap=1h"; see [source.Parse].
// Files, the environment and HTTPS endpoints are known here; other sources are
// once their package is imported.
func Parse(ctx context.Context, s string, opts ...Option) (*Client, error) {
	src, params, err := source.Parse(s)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	return New(ctx, src, append([]Option{WithRing(ring.WithParams(params))}, opts...)...)
}

// FromEnv returns a client that is set up by the environment alone. For the
// prefix EXCHANGE it reads
//
//	EXCHANGE_KEY_SOURCE  a source string; default env://EXCHANGE?pair=true
//	EXCHANGE_KEY_SCHEME  bearer (default), basic, header:NAME or query:NAME
//	EXCHANGE_ORIGIN      the origins that may get the key, separated by commas
//	EXCHANGE_TIMEOUT     a duration; see WithTimeout
//
// Options come after it and win. A value that makes no sense is an error that
// wraps [source.ErrInvalid] and names the variable.
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
		// A name that no header can have would be refused with every key, for as
		// long as ctx lasts.
		if _, err := scheme.Prepare(source.Key{ID: "id", Secret: source.NewSecret("secret")}); err != nil {
			return invalid("KEY_SCHEME")
		}
		set = append(set, WithScheme(scheme))
	}
	if s := os.Getenv(prefix + "_ORIGIN"); s != "" {
		origins := strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
		// The options say whether plain http will do. With no origin at all the first
		// request would bind the key.
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

// newBase returns a transport of our own: the process's default one may be
// anything, this client included (F45).
func newBase() *http.Transport {
	base := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true}
	if d, ok := http.DefaultTransport.(*http.Transport); ok {
		base = d.Clone()
	}
	base.MaxIdleConns = 256
	base.MaxIdleConnsPerHost = 64
	base.IdleConnTimeout = 90 * time.Second
	base.TLSHandshakeTimeout = 10 * time.Second
	base.ResponseHeaderTimeout = 0 // limits are the request's
	return base
}

// Transport returns the RoundTripper that attaches the keys, for embedding in
// an http.Client or another RoundTripper. Closing the Client ends it.
func (c *Client) Transport() *transport.Transport { return c.keys }

// Ring returns the ring that keeps the keys, to subscribe to its events.
func (c *Client) Ring() *ring.Ring { return c.ring }

// Status says which key versions there are, which is in use, and how they fare.
func (c *Client) Status() ring.Status { return c.ring.Status() }

// Refresh reads the source now; see [ring.Ring.Refresh].
func (c *Client) Refresh(ctx context.Context) error { return c.ring.Refresh(ctx) }

// Close ends the watching of the source; requests that are out finish, new ones
// fail with an error that wraps [ring.ErrClosed]. Closing again does nothing.
func (c *Client) Close() error {
	err := c.ring.Close()
	if c.own != nil {
		c.own.CloseIdleConnections()
	}
	return err
}
