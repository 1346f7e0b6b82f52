package connectauth

import (
	"connectrpc.com/connect"

	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/internal/rpc"
)

// Option changes how [New] makes an Auth. A nil Option is ignored.
type Option func(*options)

type options struct {
	rpc.Options
	origins  []string
	insecure bool
	classify func(*connect.Error) transport.Verdict
}

// WithHeader sets the header that carries the key: its name, and the text before the
// secret. Default: "Authorization" and "Bearer ".
func WithHeader(name, prefix string) Option {
	return func(o *options) { o.Header, o.Prefix = name, prefix }
}

// WithOrigin sets the origins that the key may go to: scheme, host and port, such as
// "https://api.example.com". It is required: without it every call fails with
// transport.ErrOrigin. If WithOrigin is given more than once, the last counts.
func WithOrigin(origins ...string) Option { return func(o *options) { o.origins = origins } }

// WithInsecureHTTP allows the key over plain http to any host. Default: only to
// loopback.
func WithInsecureHTTP() Option { return func(o *options) { o.insecure = true } }

// WithClassifier sets the classifier, which decides whether an error from the server
// refuses the key. Default: [Unauthenticated]. It is not called for a success, nor for
// an error of a call whose key was not sent. Here transport.Refused means the same as
// transport.RefusedUnapplied, and transport.Inconclusive the same as
// transport.ClockSkew. f must be safe for concurrent use. This classifier is for a
// server that answers PermissionDenied both to a bad key and to a missing permission:
//
//	connectauth.WithClassifier(func(e *connect.Error) transport.Verdict {
//		if e.Code() == connect.CodePermissionDenied {
//			return transport.Ambiguous
//		}
//		return connectauth.Unauthenticated(e)
//	})
func WithClassifier(f func(*connect.Error) transport.Verdict) Option {
	return func(o *options) { o.classify = f }
}

// Unauthenticated is the default classifier: CodeUnauthenticated refuses the key (the
// request has no valid authentication credentials).
func Unauthenticated(e *connect.Error) transport.Verdict {
	if e.Code() == connect.CodeUnauthenticated {
		return transport.RefusedUnapplied
	}
	return transport.Passed
}

// WithReplay limits what is kept of a stream so that it can be sent again: the number
// of messages, and their total size in bytes in protobuf's binary form. Default: 4,096
// and 256 KiB, for each stream whose first message has not arrived. With 0 a stream is
// made again only if nothing was sent on it. If a call sends only one message and
// receives a stream, its message is kept whatever its size.
func WithReplay(messages, bytes int) Option {
	return func(o *options) { o.Messages, o.Size = messages, bytes }
}

// WithOverride replaces a credential that a call already has by the ring's key.
// Default: such a call fails with transport.ErrCredential.
func WithOverride() Option { return func(o *options) { o.Own = rpc.Replace } }

// WithPassThrough sends a call that already has a credential unchanged. Its outcome
// says nothing about the ring's keys, but the ring counts the use: see
// [ring.Ring.Caller]. Of WithOverride and WithPassThrough the last counts.
func WithPassThrough() Option { return func(o *options) { o.Own = rpc.Pass } }
