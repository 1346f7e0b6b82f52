package mockapi

import (
	"net/http"
	"time"
)

// Option sets how a mock API is started.
type Option func(*config)

type config struct {
	address, keysAddress string
	adminAddress         string // empty: no admin API
	tls, http2, memory   bool
	replicas             int
	propagation          func(replica int) time.Duration
	auth                 Authenticator
	generate             func(n int) Spec
	handler              http.Handler
	refusal              Refusal
	logLimit             int
	rawLog               bool
	keysToken            string
	keysMaxAge           time.Duration
}

const anyPort = "127.0.0.1:0"

func defaults() config {
	return config{
		address: anyPort, keysAddress: anyPort, replicas: 1, logLimit: 100_000,
		auth: Bearer(), refusal: Unauthorized(),
	}
}

// WithAddress sets where the API and the key document listen: loopback addresses
// with a port. Default 127.0.0.1:0, a free port, for both; empty means the default.
func WithAddress(api, keys string) Option {
	return func(c *config) {
		if api != "" {
			c.address = api
		}
		if keys != "" {
			c.keysAddress = keys
		}
	}
}

// WithAdmin also serves the admin API, in plain HTTP on a listener of its own at
// address; empty means 127.0.0.1:0. Default: no admin API.
func WithAdmin(address string) Option {
	return func(c *config) {
		c.adminAddress = address
		if address == "" {
			c.adminAddress = anyPort
		}
	}
}

// WithTLS serves the API and the key document over TLS, HTTP/1.1 only, with a
// certificate of a test CA that [API.Client] trusts. Default: plain HTTP/1.1.
func WithTLS() Option { return func(c *config) { c.tls = true } }

// WithHTTP2 is WithTLS with HTTP/2 offered beside HTTP/1.1.
func WithHTTP2() Option { return func(c *config) { c.tls, c.http2 = true, true } }

// WithReplicas sets how many replicas share the address. Default 1, which is
// also the least.
func WithReplicas(n int) Option { return func(c *config) { c.replicas = max(n, 1) } }

// WithPropagation sets how long after a version begins its life each replica,
// counted from 0, learns of it. It does not delay expiry and revocation. Default: at once.
func WithPropagation(delay func(replica int) time.Duration) Option {
	return func(c *config) { c.propagation = delay }
}

// WithAuth sets how requests present a key. Default [Bearer].
func WithAuth(auth Authenticator) Option { return func(c *config) { c.auth = auth } }

// WithGenerator sets what new keys are made of where the [Spec] of Issue leaves
// ID, Secret and Extra empty: generate gets n = 1 for v1, and so on; only these
// three fields of its answer are used. Default: an id "key-n", and [Sentinel]
// followed by 26 random characters.
func WithGenerator(generate func(n int) Spec) Option {
	return func(c *config) { c.generate = generate }
}

// WithRefusal sets the shape of refusals. Default [Unauthorized].
func WithRefusal(refusal Refusal) Option { return func(c *config) { c.refusal = refusal } }

// WithHandler answers accepted requests in place of the JSON echo and /orders.
// The body it reads is logged as ever. Its ResponseWriter is an http.Flusher, in
// HTTP/1.1 an http.Hijacker and in HTTP/2 an http.Pusher, and http.ResponseController
// finds the rest; trailers that it sets are sent. See [API.SetAnswer] for slow
// answers. Default: the echo.
func WithHandler(h http.Handler) Option { return func(c *config) { c.handler = h } }

// WithLogLimit sets how many attempts [API.Requests] keeps, the latest; 0 keeps
// none. Counters go on. Default 100,000.
func WithLogLimit(n int) Option { return func(c *config) { c.logLimit = max(n, 0) } }

// WithCredentialsLogged keeps the credentials in the log, for tests that ask what was sent.
func WithCredentialsLogged() Option { return func(c *config) { c.rawLog = true } }

// WithKeysToken protects the key document by a Bearer token of its own. Default: open.
func WithKeysToken(token string) Option { return func(c *config) { c.keysToken = token } }

// WithKeysMaxAge sends Cache-Control: private, max-age=d with the key document,
// in whole seconds. Default: private, no-cache.
func WithKeysMaxAge(d time.Duration) Option { return func(c *config) { c.keysMaxAge = d } }
