package grpcauth

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/internal/rpc"
)

// Option sets how [New] makes an Auth.
type Option func(*options)

type options struct {
	rpc.Options
	targets  []string
	classify func(*status.Status) transport.Verdict
	insecure bool
}

// WithHeader sets the metadata that carries the key: the name, and what is before
// the secret. Default "authorization" and "Bearer ". A name that ends in "-bin"
// cannot carry it.
func WithHeader(name, prefix string) Option {
	return func(o *options) { o.Header, o.Prefix = name, prefix }
}

// WithTarget names the targets that may get the key, as they were given to
// grpc.NewClient. Without it the key is bound to the target of the first call. A
// call to another fails with [ErrTarget].
func WithTarget(targets ...string) Option { return func(o *options) { o.targets = targets } }

// WithClassifier sets what tells a refusal of the key from other statuses of a
// server. Default [Unauthenticated]. It is not asked about a status of OK, nor of one
// of gRPC's own where the key was not sent. transport.Refused and
// transport.RefusedUnapplied are the same here, and so are transport.Inconclusive and
// transport.ClockSkew. For a server that answers PermissionDenied to a bad key as well as
// to a missing permission:
//
//	grpcauth.WithClassifier(func(s *status.Status) transport.Verdict {
//		if s.Code() == codes.PermissionDenied {
//			return transport.Ambiguous
//		}
//		return grpcauth.Unauthenticated(s)
//	})
func WithClassifier(f func(*status.Status) transport.Verdict) Option {
	return func(o *options) { o.classify = f }
}

// Unauthenticated is the default classifier: a status of Unauthenticated refuses the
// key (codes.Unauthenticated: the request has no valid authentication credentials).
func Unauthenticated(s *status.Status) transport.Verdict {
	if s.Code() == codes.Unauthenticated {
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

// WithInsecure lets the key go over connections that are not secure: plaintext on
// loopback, in a test, or to a proxy of a service mesh on the same host.
func WithInsecure() Option { return func(o *options) { o.insecure = true } }

// WithOverride replaces a credential that a call comes with by the ring's key.
func WithOverride() Option { return func(o *options) { o.Own = rpc.Replace } }

// WithPassThrough makes a call that comes with a credential of its own as it is. Its
// outcome says nothing of the ring's keys, but it counts as use: see
// [ring.Ring.Caller]. The last of WithOverride and
// WithPassThrough counts.
func WithPassThrough() Option { return func(o *options) { o.Own = rpc.Pass } }
