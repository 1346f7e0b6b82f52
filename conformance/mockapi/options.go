package mockapi

import (
	"net/http"
	"time"
)

// Option is an option of [New] and [Start]. A nil Option has no effect.
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
	token, host          string
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

// WithAddress sets the addresses, host:port, of the API and of the key document. They must
// be on loopback, unless [WithToken] is given. Default, also for an empty string:
// 127.0.0.1:0, a free port.
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

// WithAdmin also serves the admin API, over plain HTTP at address, which must be on
// loopback, unless [WithToken] is given; an empty address means 127.0.0.1:0. Default: no
// admin API.
func WithAdmin(address string) Option {
	return func(c *config) {
		c.adminAddress = address
		if address == "" {
			c.adminAddress = anyPort
		}
	}
}

// WithToken makes requests for the admin API and the key document need the Bearer token.
// These two contain secrets; with a token, the server may listen on addresses that other
// machines and containers can reach, and answers requests for any Host. host is the name by
// which they reach it, such as "mockapi"; it is put into the addresses and the certificate. If
// host is empty, the addresses are those listened on, or 127.0.0.1 for 0.0.0.0. Requests for
// the API itself need a key, and not the token. Default: no token is needed, and the server
// listens on loopback only.
func WithToken(token, host string) Option { return func(c *config) { c.token, c.host = token, host } }

// WithTLS serves the API and the key document with HTTP/1.1 over TLS, with a
// certificate of a test CA that [API.Client] trusts. Default: plain HTTP/1.1.
func WithTLS() Option { return func(c *config) { c.tls = true } }

// WithHTTP2 is like [WithTLS] but offers HTTP/2 in addition to HTTP/1.1.
func WithHTTP2() Option { return func(c *config) { c.tls, c.http2 = true, true } }

// WithReplicas sets how many replicas share the address. Default and minimum: 1.
func WithReplicas(n int) Option { return func(c *config) { c.replicas = max(n, 1) } }

// WithPropagation sets the delay after which each replica, counted from 0, accepts
// a version that has become valid. It does not delay expiry and revocation.
// Default: no delay.
func WithPropagation(delay func(replica int) time.Duration) Option {
	return func(c *config) { c.propagation = delay }
}

// WithAuth sets how requests present a key. Default: [Bearer].
func WithAuth(auth Authenticator) Option { return func(c *config) { c.auth = auth } }

// WithGenerator sets a function that makes the ID, Secret and Extra of a new key if
// they are all empty in its [Spec]. generate is called with n = 1 for v1, and so
// on; the other fields of its result are ignored. Default: the ID "key-n", and a
// secret of [Sentinel] and 26 random characters.
func WithGenerator(generate func(n int) Spec) Option {
	return func(c *config) { c.generate = generate }
}

// WithRefusal sets the response to refused requests. Default: [Unauthorized].
func WithRefusal(refusal Refusal) Option { return func(c *config) { c.refusal = refusal } }

// WithHandler sets a handler that answers accepted requests in place of the JSON
// echo and of /orders. The server logs the body as the handler reads it. The
// handler's ResponseWriter is an http.Flusher, with HTTP/1.1 also an http.Hijacker
// and with HTTP/2 an http.Pusher. It works with http.ResponseController and sends
// trailers. [API.SetAnswer] can slow the handler's responses. Default: the echo.
func WithHandler(h http.Handler) Option { return func(c *config) { c.handler = h } }

// WithLogLimit sets how many attempts [API.Requests] returns at most: the latest
// n, none with 0. [API.Count] counts all attempts nevertheless. Default: 100,000.
func WithLogLimit(n int) Option { return func(c *config) { c.logLimit = max(n, 0) } }

// WithCredentialsLogged does not redact credentials in the log, for tests that
// check what was sent. Default: credentials are redacted.
func WithCredentialsLogged() Option { return func(c *config) { c.rawLog = true } }

// WithKeysToken makes requests for the key document need the Bearer token. Default: that of
// [WithToken], if any.
func WithKeysToken(token string) Option { return func(c *config) { c.keysToken = token } }

// WithKeysMaxAge sends Cache-Control: private, max-age=d with the key document,
// in whole seconds. Default: private, no-cache.
func WithKeysMaxAge(d time.Duration) Option { return func(c *config) { c.keysMaxAge = d } }
