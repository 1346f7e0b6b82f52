// Package grpcauth puts the current key of a ring on the calls of a gRPC client. When
// the server refuses the key of a call, it makes the call again with another one.
//
//	keys, err := ring.Keep(ctx, file.New("/run/secrets/api-key"))
//	if err != nil {
//		return err
//	}
//	auth := grpcauth.New(keys, grpcauth.WithTarget("api.example.com:443"))
//	conn, err := grpc.NewClient("api.example.com:443", append(auth.DialOptions(),
//		grpc.WithTransportCredentials(credentials.NewTLS(nil)))...)
//
// The package is a module of its own, so that the core does not require
// google.golang.org/grpc.
//
// # How a key goes onto a call
//
// The key is sent as metadata: "authorization: Bearer SECRET", or as [WithHeader] says.
// It is never in the context's outgoing metadata: gRPC asks for it when it writes the
// headers of an attempt (credentials.PerRPCCredentials). So gRPC itself refuses to send
// it over a connection without TLS, unless [WithInsecure] is given, and other
// interceptors do not see it. Credentials of the ClientConn
// (grpc.WithPerRPCCredentials) are sent too; they must not set the same header.
//
// A call may already have the header, in its metadata or from the caller's
// grpc.PerRPCCredentials. Such a call fails with transport.ErrCredential, unless
// [WithOverride] or [WithPassThrough] is given.
//
// # What a refusal is
//
// A status of Unauthenticated from the server refuses the key. A status that gRPC
// itself makes, for instance because the connection is not secure, does not.
// [WithClassifier] adds other refusals.
//
// Only a status of OK, or the first message of a stream, proves that the server
// accepted the key. If another key was refused for the same call, a status that only an
// application returns proves it too: InvalidArgument, NotFound, AlreadyExists,
// FailedPrecondition, Aborted, OutOfRange, DataLoss. All other statuses may come from a
// proxy or from gRPC and say nothing about the key. Headers without a message say
// nothing either.
//
// # What is made again
//
// A refused unary call is made again: the status means that it was not carried out. If
// a server does its part and then passes on the Unauthenticated of a server behind it,
// a classifier must distinguish the two. The ring limits the attempts of a call, to two
// as a rule: see [ring.Attempt]. gRPC's own retries, transparent or by service config,
// happen below, each with the key of its attempt.
//
// A refused stream is made again until its first message arrives. Until then up to
// 4,096 sent messages of up to 256 KiB in total (gRPC's own limit for its retries) are
// kept and sent again: see [WithReplay]. The messages are copied, so the caller may
// reuse them. The caller gets the refusal, and the next call gets another key, if more
// was sent, if a message is not a protobuf message, if a message has arrived, or if the
// Context of the [grpc.ClientStream] was called.
//
// Long streams of a client rarely reach these limits: while a server refuses without
// reading, it lets one flow-control window of 64 KiB pass, and as much again waits in
// gRPC's buffer. But if the server sends headers before the refusal, only RecvMsg can
// find out what follows them: then a client that sends more than is kept before it
// receives gets the refusal.
//
// A stream that is made again has new headers. If the caller called Header before the
// first message arrived, it may have got the headers of the refusal.
//
// Statistics handlers, and interceptors below this one, see each attempt as a call. The
// caller's grpc.OnFinish is called once.
//
// # Where a key may go
//
// A key goes only to the targets of [WithTarget], without which nothing is sent.
//
// # Errors
//
// Errors have a status and wrap the ring's error, such as [source.ErrNoKey]. If the
// message of a server's status contains the key, the key is replaced by [redacted].
package grpcauth
