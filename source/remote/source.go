package remote

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
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

// Source is an endpoint that lists keys. [New] makes one; it is safe for
// concurrent use, and any number of rings may share it.
type Source struct {
	name     string
	endpoint source.Secret // its query may hold a credential
	auth     auth
	wait     time.Duration

	transport *http.Transport
	once      *http.Client          // one attempt: the long poll
	again     *retryablehttp.Client // Read

	mu     sync.Mutex
	last   reading       // what arrived last with success
	tagged chan struct{} // closed when the endpoint has named an ETag
}

// Option sets how a [Source] talks to its endpoint.
type Option func(*config)

type config struct {
	auth func(*http.Client) (auth, error)
	tls  *tls.Config
	wait time.Duration
	errs []error
}

// WithTLS sets the TLS configuration: own root certificates, a client
// certificate. It is used for the token endpoint too. Default: the system's
// roots and TLS 1.2 or newer. cfg is copied.
func WithTLS(cfg *tls.Config) Option { return func(c *config) { c.tls = cfg.Clone() } }

// WithWait sets for how long a long poll asks the endpoint to hold its answer
// while nothing changes, rounded up to whole seconds, at most 10 min. Each
// request asks for up to a fifth less, so that a fleet does not come back as
// one. Default 50 s, below the 60 s at which proxies often cut a silent
// connection; 0 means no long poll, and the ring polls only.
func WithWait(d time.Duration) Option {
	return func(c *config) {
		c.wait = min(max(d, 0), maxWait)
		c.wait = (c.wait + time.Second - 1).Truncate(time.Second)
	}
}

// New returns a source that reads the key document from rawURL: https, or http
// to a loopback address (127.0.0.0/8, ::1, localhost). It connects to nothing
// yet. Its errors match [source.ErrInvalid] and never quote rawURL's query.
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
	// F104: nobody closes a source; one that is dropped leaves no connection behind.
	runtime.AddCleanup(s, (*http.Transport).CloseIdleConnections, transport)
	return s, nil
}

// Read asks the endpoint for its keys and returns them as a complete set. It
// takes at most 20 s, within ctx. Where the endpoint has named an ETag the
// request is conditional, and 304 returns the set that ETag stands for, as new.
// FreshFor is the answer's max-age, between 1 s and 1 h.
//
// Its errors are of type *[source.Error] and match [source.ErrDenied] for 401
// and 403, [source.ErrNoKey] for 404 and 410, [source.ErrInvalid] for an answer
// that is not a key document, and [source.ErrUnavailable] for the rest.
func (s *Source) Read(ctx context.Context) (set source.Set, err error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	defer func() {
		// F104: the ring may be gone, and Notify with it. A dial that was begun for a
		// reading whose context has ended goes on until then.
		if err != nil || ctx.Err() != nil {
			s.transport.CloseIdleConnections()
		}
	}()
	base := s.peek()
	// F61: what Notify has just fetched may be old already, so ask, always.
	got, err := s.get(ctx, base, 0)
	if err != nil {
		return source.Set{}, err
	}
	if !got.same(base) { // else Notify may have kept a newer one meanwhile
		s.keep(got)
	}
	if set, err = got.set(); err != nil {
		return source.Set{}, s.fail(err)
	}
	return set, nil
}

// String returns the URL without the values of its parameters.
func (s *Source) String() string { return s.name }

// Identity is the whole URL, for the ring's cache: endpoints that differ in a
// parameter's value only have the same String.
func (s *Source) Identity() source.Secret { return s.endpoint }

// GoString returns what String does, for %#v.
func (s *Source) GoString() string { return s.name }

// checkURL refuses what is no address of an endpoint that gets credentials or gives them.
func checkURL(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Hostname() == "" || u.Opaque != "":
		return errors.New("not a URL such as https://host/path") // err would quote the URL
	case u.User != nil:
		return errors.New("credentials do not belong in a URL")
	case strings.Contains(raw, "#"):
		return errors.New("a fragment is never sent and does not belong in the URL")
	case u.Scheme == "https", u.Scheme == "http" && isLoopback(u.Hostname()):
		return nil
	case u.Scheme == "http":
		return errors.New("plain http to a host that is not loopback") // F56
	default:
		return errors.New("the scheme is not https")
	}
}
