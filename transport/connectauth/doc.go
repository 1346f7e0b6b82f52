// Package connectauth puts the current key of a ring on the calls of a Connect client,
// for all three protocols (Connect, gRPC, gRPC-Web). When the server refuses the key of
// a call, it makes the call again with another one.
//
//	keys, err := ring.Keep(ctx, file.New("/run/secrets/api-key"))
//	if err != nil {
//		return err
//	}
//	auth := connectauth.New(keys, connectauth.WithOrigin("https://api.example.com"))
//	client := pingv1connect.NewPingServiceClient(&http.Client{Transport: auth.Transport(nil)},
//		"https://api.example.com", connect.WithInterceptors(auth))
//
// The package is a module of its own, so that the core does not require
// connectrpc.com/connect. It is for version 1; version 2, connectrpc.com/connect/v2,
// has other interceptors.
//
// For unary calls package transport under a Connect client is enough, with one line
// less. Use this package to make streams fall back too.
//
// # How a key goes onto a call
//
// Two parts are needed. The interceptor chooses the key of each attempt. The
// [Auth.Transport] of the http.Client puts it on the request, as "Authorization: Bearer
// SECRET" or as [WithHeader] says; only the transport knows where a request goes.
// Callers and other interceptors never see the key in a header. If the transport is
// missing, a call that the server refuses fails with [ErrNoTransport]. The transport
// sends requests that did not pass the interceptor unchanged.
//
// A call that already has the header fails with transport.ErrCredential, unless
// [WithOverride] or [WithPassThrough] is given.
//
// # Where a key may go
//
// A key goes only to its origins: scheme, host and port. They are named by [WithOrigin],
// without which nothing is sent. A redirect to another origin is followed without the
// key, and its answer says nothing about the key. Any other request to another origin
// fails with transport.ErrOrigin. Plain http is allowed only to loopback
// (transport.ErrInsecure), unless [WithInsecureHTTP] is given.
//
// # What a refusal is
//
// connect.CodeUnauthenticated refuses the key, in the form of the protocol or as an
// HTTP status of 401. [WithClassifier] adds other refusals.
//
// Only a success, or the first message of a stream, proves that the server accepted the
// key. If another key was refused for the same call, a code that only an application
// returns proves it too: InvalidArgument, NotFound, AlreadyExists, FailedPrecondition,
// Aborted, OutOfRange, DataLoss. All other codes may come from a proxy or from the
// client and say nothing about the key. Headers without a message say nothing either.
//
// # What is made again
//
// A refused unary call is made again: the code means that it was not carried out. If a
// server does its part and then passes on the Unauthenticated of a server behind it, a
// classifier must distinguish the two. The ring limits the attempts of a call, to two
// as a rule: see [ring.Attempt].
//
// A refused stream is made again until its first message arrives. Until then up to
// 4,096 sent messages of up to 256 KiB in total are kept and sent again: see
// [WithReplay]. The messages are copied, so the caller may reuse them. The caller gets
// the refusal, and the next call gets another key, if more was sent, if a message is
// not a protobuf message, or if a message has arrived.
//
// A server that refuses without reading lets one flow-control window pass: 1 MiB with
// net/http, 64 KiB with gRPC's own server. If long streams of the client must not fail,
// keep as much. Over HTTP/1.1 a server that refuses early may close the connection, and
// the call fails with that error: use HTTP/2 for streams of the client.
//
// A stream that is made again has new headers. If the caller called ResponseHeader
// before the first message arrived, it may have got the headers of the refusal.
//
// Interceptors below this one see each attempt as a call.
//
// # Errors
//
// Errors have a code and wrap the ring's error, such as [source.ErrNoKey]. If the
// message of a server's error contains the key, the key is replaced by [redacted].
package connectauth
