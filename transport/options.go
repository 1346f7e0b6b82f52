package transport

import "net/http"

// Option changes how [New] and [Keep] make a transport. A nil Option is ignored.
type Option func(*options)

type options struct {
	base       http.RoundTripper
	origins    []string
	first      bool // the origin is that of the first request
	insecure   bool
	classifier Classifier
	replay     func(*http.Request, *http.Response, Verdict) bool
	header     string
	keyless    func(*http.Request) bool
	recycle    bool

	override, passThrough bool
	observer              func(*http.Request, *Observation)
}

// WithBase sets the RoundTripper that sends the requests. Default: the value of
// http.DefaultTransport when New is called.
func WithBase(base http.RoundTripper) Option { return func(o *options) { o.base = base } }

// WithOrigin sets the origins that the key may go to. An origin is a scheme, host and
// port, such as "https://api.example.com"; there are no wildcards. It is required:
// without it every request fails with [ErrOrigin], and nothing is sent. A request to
// another origin fails with ErrOrigin too; a redirect to another origin is followed
// without the key. If WithOrigin is given more than once, the last counts.
func WithOrigin(origins ...string) Option {
	return func(o *options) { o.origins, o.first = origins, false }
}

// WithOriginOfFirstRequest binds the key to the origin of the first request, wherever
// that goes. It is for programs that learn the API's address late, such as tests.
// Whoever chooses the first URL gets the key, so name the origin if you can. Of
// WithOrigin and WithOriginOfFirstRequest the last counts.
func WithOriginOfFirstRequest() Option {
	return func(o *options) { o.origins, o.first = nil, true }
}

// WithOverride replaces a credential that a request already has by the ring's key: the
// transport deletes the scheme's headers and parameters and sets them anew. The
// caller's own credential is never sent, not even if the request needs no key or a
// redirect leaves the origins. Use it under an SDK: most SDKs set the header
// themselves, to a key that their constructor requires, to a key from the environment,
// or to an empty value. Default: a request that already has a credential fails with
// [ErrCredential].
func WithOverride() Option { return func(o *options) { o.override, o.passThrough = true, false } }

// WithPassThrough sends a request that already has a credential unchanged, with the
// caller's rights. The transport never sends such a request again. If its credential is
// a version in the ring, the ring counts the request as a use of that version. The ring
// also emits a Warning event about such requests, at most once a minute. Default: such
// a request fails with [ErrCredential]. Of WithOverride and WithPassThrough the last
// counts.
func WithPassThrough() Option { return func(o *options) { o.override, o.passThrough = false, true } }

// WithInsecureHTTP allows the key over plain http to any host. Default: only to
// loopback.
func WithInsecureHTTP() Option { return func(o *options) { o.insecure = true } }

// WithClassifier sets the classifier, which decides whether an answer refuses the key.
// Default: [RFC6750].
func WithClassifier(c Classifier) Option { return func(o *options) { o.classifier = c } }

// WithReplay sets the replay policy: whether a refused request may be sent again with
// another key. Default: [Replayable]. A request whose body cannot be read again is never
// sent again. Otherwise the policy decides alone, even about requests that are not
// idempotent by the scheme's [Traits].
//
// The policy is also asked before a request is sent, with the status of an expected
// refusal and no header: only requests that may be sent again are used as probes of a
// refused key.
//
// A policy that panics forbids the replay. It must be safe for concurrent use.
func WithReplay(may func(req *http.Request, resp *http.Response, v Verdict) bool) Option {
	return func(o *options) { o.replay = may }
}

// WithoutKey names requests that need no key, such as a health check or public market data:
// those for which match returns true. They are sent unchanged, even if there is no key, like
// those that NeedsKey of the scheme's [Traits] names. Name every endpoint that does not
// check the key: its answer would count as an acceptance, so that a wrong key looks good
// and the old one safe to revoke. match must be safe for concurrent use; if it panics, the
// request fails. Default: only the scheme's traits count.
func WithoutKey(match func(*http.Request) bool) Option {
	return func(o *options) { o.keyless = match }
}

// WithVersionHeader sets the name of a header that the transport adds to the response
// of each request with a key: its value is the version of the key, or [CallersKey]. From
// other responses the transport deletes a header of that name. Default: no such header.
func WithVersionHeader(name string) Option { return func(o *options) { o.header = name } }

// WithObserver sets a function that is called with each request that was sent and its
// observation. It is for SDKs that do not let the caller pass a context to [Observe].
// RoundTrip calls f on its own goroutine just before it returns. f must not change the
// request and must be safe for concurrent use. Default: none.
func WithObserver(f func(*http.Request, *Observation)) Option {
	return func(o *options) { o.observer = f }
}

// WithRecycle closes the idle connections of the base whenever another key becomes
// current. It is for servers that bind a connection to the key that opened it. Default:
// connections are kept.
func WithRecycle() Option { return func(o *options) { o.recycle = true } }
