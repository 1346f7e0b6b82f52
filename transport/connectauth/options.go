package connectauth

import (
	"connectrpc.com/connect"

	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/internal/rpc"
)

// Option sets how [New] makes an Auth.
type Option func(*options)

type options struct {
	rpc.Options
	origins  []string
	insecure bool
	classify func(*connect.Error) transport.Verdict
}

// WithHeader sets the header that carries the key: its name, and what is before the
// secret. Default "Authorization" and "Bearer ".
func WithHeader(name, prefix string) Option {
	return func(o *options) { o.Header, o.Prefix = name, prefix }
}

// WithOrigin names the origins that may get the key: scheme, host and port, such
// as "https://api.example.com"; a path behind them does not count. Without it the
// key is bound to the origin of the first request. The last WithOrigin counts.
func WithOrigin(origins ...string) Option { return func(o *options) { o.origins = origins } }

// WithInsecureHTTP lets the key go over plain http to hosts other than loopback.
func WithInsecureHTTP() Option { return func(o *options) { o.insecure = true } }

// WithClassifier sets what tells a refusal of the key from other errors of a server.
// Default [Unauthenticated]. It is not asked about a success, nor about an error of a
// call whose key was not sent. transport.Refused and transport.RefusedUnapplied
// are the same here, and so are transport.Inconclusive and transport.ClockSkew. For a server that
// answers PermissionDenied to a bad key as well as to a missing permission:
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

// WithReplay sets how much of what a stream has sent is kept, so that it can be
// sent again: so many messages, and so many bytes of them in protobuf's binary
// form. Default 4,096 and 256 KiB, for each stream whose first message has not come.
// With 0 a stream is made again only if nothing was sent on it. The one message of
// a call that streams in the server's direction only is kept whatever its size.
func WithReplay(messages, bytes int) Option {
	return func(o *options) { o.Messages, o.Size = messages, bytes }
}

// WithOverride replaces a credential that a call comes with by the ring's key.
func WithOverride() Option { return func(o *options) { o.Own = rpc.Replace } }

// WithPassThrough makes a call that comes with a credential of its own as it is. Its
// outcome says nothing of the ring's keys, but it counts as use: see
// [ring.Ring.Caller]. The last of WithOverride and
// WithPassThrough counts.
func WithPassThrough() Option { return func(o *options) { o.Own = rpc.Pass } }
