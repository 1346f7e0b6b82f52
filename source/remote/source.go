package remote

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/option"
)

// A Source reads keys from an endpoint. It is a [source.Notifier] and safe for concurrent use.
// Several rings may share it. [New] returns one.
type Source struct {
	name     string
	endpoint source.Secret // its query may contain a credential
	auth     auth
	wait     time.Duration

	transport *http.Transport
	once      *http.Client          // for long polls: tries once
	again     *retryablehttp.Client // for Read: tries twice

	mu     sync.Mutex
	last   reading       // the last valid response
	tagged chan struct{} // closed when a response had an ETag
}

// An Option changes how a [Source] talks to its endpoint. A nil Option is ignored.
type Option func(*config)

type config struct {
	auth func(*http.Client) (auth, error)
	tls  *tls.Config
	dial func(ctx context.Context, network, address string) (net.Conn, error)
	wait time.Duration
	errs []error
}

// WithTLS sets the TLS configuration, for example to use root certificates of your own or a
// client certificate. The token endpoint uses it too. The default is the system's roots and
// TLS 1.2 or newer. WithTLS copies cfg.
func WithTLS(cfg *tls.Config) Option { return func(c *config) { c.tls = cfg.Clone() } }

// WithDialer sets the function that opens the connections, to the endpoint and to the token
// endpoint, for example through a unix socket. The address is that of the URL, or of the
// proxy. TLS runs over the connection. Tests in a testing/synctest bubble reach a mock API
// by its Dial. The default is a net.Dialer.
func WithDialer(dial func(ctx context.Context, network, address string) (net.Conn, error)) Option {
	return func(c *config) { c.dial = dial }
}

// WithWait sets how long a long poll asks the endpoint to wait for a change. It is rounded up
// to whole seconds and limited to 10 min. Each request asks for up to a fifth less at random,
// so that many clients do not all return at once. The default is 50 s, because proxies often
// close an idle connection after 60 s. 0 switches long polls off: only the ring's polls notice
// a change then.
func WithWait(d time.Duration) Option {
	return func(c *config) {
		c.wait = min(max(d, 0), maxWait)
		c.wait = (c.wait + time.Second - 1).Truncate(time.Second)
	}
}

// New returns a source that reads the key document from rawURL. The scheme must be https, or
// http for a loopback address (127.0.0.0/8, ::1, localhost). New does not connect. Its error is
// a [*source.Error] that wraps [source.ErrInvalid] and does not quote rawURL's query.
func New(rawURL string, opts ...Option) (*Source, error) {
	c := config{wait: defaultWait}
	option.Apply(&c, opts)
	name := source.Redact(rawURL)
	invalid := func(err error) error {
		return &source.Error{Source: name, Err: fmt.Errorf("%w: %w", source.ErrInvalid, err)}
	}
	if err := checkURL(rawURL); err != nil {
		return nil, invalid(err)
	}
	if err := errors.Join(c.errs...); err != nil {
		return nil, invalid(err)
	}
	transport := newTransport(c.tls)
	if c.dial != nil {
		transport.DialContext = c.dial
	}
	client := &http.Client{Transport: transport, CheckRedirect: stayOnOrigin}
	s := &Source{
		name:      name,
		endpoint:  source.NewSecret(rawURL),
		wait:      c.wait,
		transport: transport,
		once:      client,
		again:     newRetrying(client),
		tagged:    make(chan struct{}),
	}
	if c.auth != nil {
		a, err := c.auth(client)
		if err != nil {
			return nil, invalid(err)
		}
		s.auth = a
	}
	// F104: a source has no Close. When it is garbage-collected, its connections are closed.
	runtime.AddCleanup(s, (*http.Transport).CloseIdleConnections, transport)
	return s, nil
}

// Read requests the key document and returns its keys as a Complete set. It takes 20 s at most,
// and less if ctx ends. If the last response had an ETag, the request is conditional, and 304
// returns the keys of the last document, with a new AsOf. FreshFor is the response's max-age,
// limited to 1 s to 1 h.
//
// An error is a [*source.Error]. It wraps [source.ErrDenied] for status 401 and 403,
// [source.ErrNoKey] for 404 and 410, [source.ErrInvalid] if the response is not a key document,
// and [source.ErrUnavailable] otherwise.
func (s *Source) Read(ctx context.Context) (set source.Set, err error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	defer func() {
		// F104: a dial goes on after the context of its reading has ended. Close its connection,
		// since the ring may be closed and call neither Read nor Notify again.
		if err != nil || ctx.Err() != nil {
			s.transport.CloseIdleConnections()
		}
	}()
	base := s.peek()
	// F61: always send a request, since the document that Notify has just got may be old.
	got, err := s.get(ctx, base, 0)
	if err != nil {
		return source.Set{}, err
	}
	if !got.same(base) { // else do not replace a newer document that Notify may have kept
		s.keep(got)
	}
	if set, err = got.set(); err != nil {
		return source.Set{}, s.fail(err)
	}
	return set, nil
}

// String returns the URL without the values of its parameters.
func (s *Source) String() string { return s.name }

// Identity returns the whole URL, for the ring's cache: two URLs that differ only in the value
// of a parameter have the same String.
func (s *Source) Identity() source.Secret { return s.endpoint }

// GoString returns what String does, for %#v.
func (s *Source) GoString() string { return s.name }

// checkURL refuses a URL to which no credential may be sent, or which contains one.
func checkURL(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Hostname() == "" || u.Opaque != "":
		return errors.New("want a URL such as https://host/path") // err would quote the URL
	case u.User != nil:
		return errors.New("the URL must not contain credentials")
	case strings.Contains(raw, "#"):
		return errors.New("the URL must not have a fragment: it would not be sent")
	case u.Scheme == "https", u.Scheme == "http" && isLoopback(u.Hostname()):
		return nil
	case u.Scheme == "http":
		return errors.New("plain http is allowed only to loopback addresses: use https") // F56
	default:
		return errors.New("the URL's scheme must be https")
	}
}
