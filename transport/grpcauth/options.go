package grpcauth

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/internal/rpc"
)

// Option changes how [New] makes an Auth. A nil Option is ignored.
type Option func(*options)

type options struct {
	rpc.Options
	targets  []string
	classify func(*status.Status) transport.Verdict
	insecure bool
}

// WithHeader sets the metadata that carries the key: its name, and the text before the
// secret. Default: "authorization" and "Bearer ". A name that ends in "-bin" is
// invalid.
func WithHeader(name, prefix string) Option {
	return func(o *options) { o.Header, o.Prefix = name, prefix }
}

// WithTarget sets the targets that the key may go to, spelled as in grpc.NewClient.
// It is required: without it every call fails with [ErrTarget], and so does a call to
// another target.
func WithTarget(targets ...string) Option { return func(o *options) { o.targets = targets } }

// WithClassifier sets the classifier, which decides whether a status from the server
// refuses the key. Default: [Unauthenticated]. It is not called for OK, nor for a
// status of gRPC itself if the key was not sent. Here transport.Refused means the same
// as transport.RefusedUnapplied, and transport.Inconclusive the same as
// transport.ClockSkew. f must be safe for concurrent use. This classifier is for a
// server that answers PermissionDenied both to a bad key and to a missing permission:
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

// WithReplay limits what is kept of a stream so that it can be sent again: the number
// of messages, and their total size in bytes in protobuf's binary form. Default: 4,096
// and 256 KiB, for each stream whose first message has not arrived. With 0 a stream is
// made again only if nothing was sent on it. If a call sends only one message and
// receives a stream, its message is kept whatever its size.
func WithReplay(messages, bytes int) Option {
	return func(o *options) { o.Messages, o.Size = messages, bytes }
}

// WithInsecure allows the key over connections that are not secure: plaintext on
// loopback, in a test, or to the proxy of a service mesh on the same host. Default:
// gRPC refuses such calls.
func WithInsecure() Option { return func(o *options) { o.insecure = true } }

// WithOverride replaces a credential that a call already has by the ring's key.
// Default: such a call fails with transport.ErrCredential.
func WithOverride() Option { return func(o *options) { o.Own = rpc.Replace } }

// WithPassThrough sends a call that already has a credential unchanged. Its outcome
// says nothing about the ring's keys, but the ring counts the use: see
// [ring.Ring.Caller]. Of WithOverride and WithPassThrough the last counts.
func WithPassThrough() Option { return func(o *options) { o.Own = rpc.Pass } }
