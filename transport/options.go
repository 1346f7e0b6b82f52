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

// WithInsecureHTTP lets the key go over plain http to hosts other than loopback.
func WithInsecureHTTP() Option { return func(o *options) { o.insecure = true } }

// WithClassifier sets what tells a refusal of the key from other answers.
// Default [RFC6750].
func WithClassifier(c Classifier) Option { return func(o *options) { o.classifier = c } }

// WithReplay sets whether a refused request may be sent again with another key,
// given that its body can be had again. Default [Replayable]. It decides alone,
// also for requests that the scheme's Once method names. It is
// asked ahead of requests, too, with the status of a refusal that is to be expected,
// and no header: only one that may be sent again is used to find out whether a
// refused key is good by now.
func WithReplay(may func(req *http.Request, resp *http.Response, v Verdict) bool) Option {
	return func(o *options) { o.replay = may }
}

// WithVersionHeader names a header that tells, on each response, which key
// version the request carried. Default none.
func WithVersionHeader(name string) Option { return func(o *options) { o.header = name } }

// WithRecycle closes idle connections whenever another key becomes current, for
// servers that tie a connection to the key that opened it.
func WithRecycle() Option { return func(o *options) { o.recycle = true } }
