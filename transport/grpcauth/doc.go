// Package grpcauth puts the current key of a ring on the calls of a gRPC client,
// and makes a call again with another key when the server refuses the one it had.
//
//	keys, err := ring.Keep(ctx, file.New("/run/secrets/api-key"))
//	if err != nil {
//		return err
//	}
//	conn, err := grpc.NewClient("api.example.com:443", append(grpcauth.New(keys).DialOptions(),
//		grpc.WithTransportCredentials(credentials.NewTLS(nil)))...)
//
// It is a module of its own, which keeps google.golang.org/grpc out of the core's.
//
// # How a key goes onto a call
//
// As metadata: "authorization: Bearer SECRET", or as [WithHeader] says. The key is
// never in the context's outgoing metadata: gRPC asks for it when it writes the
// headers of an attempt (credentials.PerRPCCredentials). So gRPC itself keeps it
// off a connection without TLS, unless [WithInsecure] is given, and other
// interceptors do not see it. A ClientConn's own grpc.WithPerRPCCredentials goes
// out besides; it must not set the same header.
//
// A call that has the header already, in its metadata or from a
// grpc.PerRPCCredentials of the caller, fails with transport.ErrCredential, unless
// [WithOverride] or [WithPassThrough] is given.
//
// # What is a refusal
//
// A status of Unauthenticated that came from the server; one that gRPC made itself,
// because the connection is not secure for instance, is none. [WithClassifier] adds
// others. That the key was accepted, only a status of OK says, or a stream's first
// message. Where another key was refused for the same call, a status that only an
// application gives says it too: InvalidArgument, NotFound, AlreadyExists,
// FailedPrecondition, Aborted, OutOfRange, DataLoss. All others may come from a
// proxy or from gRPC and say nothing of the key, nor do headers without a message.
//
// # What is made again
//
// A unary call: the status means that it was not carried out. A server that passes
// on the Unauthenticated of a server behind it, after it has done its part, needs a
// classifier that tells the two apart. How often a call is made at the most is the
// ring's to say: the rule is twice; see [ring.Attempt]. gRPC's own
// retries, transparent ones and those of a service config, go on below, each with
// the key of its call.
//
// A stream, until its first message has come. What was sent so far is kept and
// sent again: up to 4,096 messages and 256 KiB of them (gRPC's own bound for its
// retries); see [WithReplay]. Messages are copied, so the caller may use one again.
// When more was sent, when a message is no protobuf message, when a message
// came or [grpc.ClientStream]'s Context was called, the refusal goes to the
// caller, and the next call gets another key. A long stream of a client rarely
// comes to that: while a server refuses without reading, a flow-control window of
// 64 KiB passes, and as much again waits in gRPC's buffer. But where the server sends
// headers ahead of the refusal, only RecvMsg can tell what follows them: a client
// that sends more than is kept before it receives gets the refusal.
//
// A stream that is made again has new headers: Header, called before the first
// message came, may have returned those of the refusal.
//
// Statistics handlers, and interceptors below this one, see each attempt as a call
// of its own. A grpc.OnFinish of the caller is called once.
//
// # Where a key may go
//
// To the targets of [WithTarget]; without it, to that of the first call.
//
// # Errors
//
// They have a status, and wrap what the ring says, such as [source.ErrNoKey]. Where
// the message of a server's status quotes the key, it is replaced by [redacted].
package grpcauth
