package transport

import "net/http"

// Option sets how [New] makes a transport.
type Option func(*options)

type options struct {
	base       http.RoundTripper
	origins    []string
	insecure   bool
	classifier Classifier
	replay     func(*http.Request, *http.Response, Verdict) bool
	header     string
	recycle    bool

	override, passThrough bool
	observer              func(*http.Request, *Observation)
}

// WithBase sets what sends the requests. Default: what http.DefaultTransport is
// when New is called.
func WithBase(base http.RoundTripper) Option { return func(o *options) { o.base = base } }

// WithOrigin names the origins that may get the key: scheme, host and port, such
// as "https://api.example.com". Without it the key is bound to the origin of the
// first request. A request to another origin fails with [ErrOrigin]; a redirect
// to one is followed without the key. The last WithOrigin counts.
func WithOrigin(origins ...string) Option {
	return func(o *options) { o.origins = origins }
}

// WithOverride sends the ring's key in place of a credential that a request comes
// with: the scheme's headers and parameters are deleted and set anew, and nothing
// of the caller's own goes out, not even where no key is needed or a redirect leaves
// the origins. It is for use under an SDK, most of which set the header
// themselves, to a key that they insist on, to one out of the environment, or to
// nothing. Default: such a request fails with [ErrCredential].
func WithOverride() Option { return func(o *options) { o.override, o.passThrough = true, false } }

// WithPassThrough sends a request that comes with a credential of its own as it is:
// it is answered with the caller's rights, and never sent again by the transport.
// The ring counts it, as use of the version that it carries, if the ring knows that,
// and a Warning event tells of it, once a minute. Default: such a request fails with
// [ErrCredential].
func WithPassThrough() Option { return func(o *options) { o.override, o.passThrough = false, true } }

// WithInsecureHTTP lets the key go over plain http to hosts other than loopback.
func WithInsecureHTTP() Option { return func(o *options) { o.insecure = true } }

// WithClassifier sets what tells a refusal of the key from other answers.
// Default [RFC6750].
func WithClassifier(c Classifier) Option { return func(o *options) { o.classifier = c } }

// WithReplay sets whether a refused request may be sent again with another key,
// given that its body can be had again. Default [Replayable]. It decides alone,
// also for requests that are not idempotent by the scheme's [Traits]. It is
// asked ahead of requests, too, with the status of a refusal that is to be expected,
// and no header: only one that may be sent again is used to find out whether a
// refused key is good by now.
func WithReplay(may func(req *http.Request, resp *http.Response, v Verdict) bool) Option {
	return func(o *options) { o.replay = may }
}

// WithVersionHeader names a header that tells, on each response, which key
// version the request carried. Default none.
func WithVersionHeader(name string) Option { return func(o *options) { o.header = name } }

// WithObserver calls f with each request that was sent and what became of it, for
// SDKs that take no context to [Observe] with. f is called when RoundTrip is about to
// return, on its goroutine, and must not change the request.
func WithObserver(f func(*http.Request, *Observation)) Option {
	return func(o *options) { o.observer = f }
}

// WithRecycle closes idle connections whenever another key becomes current, for
// servers that tie a connection to the key that opened it.
func WithRecycle() Option { return func(o *options) { o.recycle = true } }
