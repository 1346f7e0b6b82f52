// Package connectauth puts the current key of a ring on the calls of a Connect
// client, over all three protocols (Connect, gRPC, gRPC-Web), and makes a call
// again with another key when the server refuses the one it had.
//
//	keys, err := ring.Keep(ctx, file.New("/run/secrets/api-key"))
//	if err != nil {
//		return err
//	}
//	auth := connectauth.New(keys, connectauth.WithOrigin("https://api.example.com"))
//	client := pingv1connect.NewPingServiceClient(&http.Client{Transport: auth.Transport(nil)},
//		"https://api.example.com", connect.WithInterceptors(auth))
//
// It is a module of its own, which keeps connectrpc.com/connect out of the core's.
// It is for connectrpc.com/connect, version 1; the interceptors of version 2,
// connectrpc.com/connect/v2, are other ones.
//
// Package transport under a Connect client is enough for unary calls, and it takes
// one line fewer. This package is for those who want streams to fall back as well.
//
// # How a key goes onto a call
//
// Two parts are needed. The interceptor chooses the key for each attempt; the
// [Auth.Transport] of the http.Client puts it on the request, as "Authorization:
// Bearer SECRET" or as [WithHeader] says. Only there is it known where a request
// goes. The key is in no header that callers and other interceptors see. Where the
// transport is missing, a call that the server refuses fails with [ErrNoTransport].
// Requests that did not come by the interceptor pass the transport as they are.
//
// A call that has the header already fails with transport.ErrCredential, unless
// [WithOverride] or [WithPassThrough] is given.
//
// # Where a key may go
//
// To its origins: scheme, host and port ([WithOrigin]; without it, to the origin of
// the first request). A redirect that leaves them goes on without the key, and its
// answer says nothing of the key; any other request elsewhere fails with
// transport.ErrOrigin. Plain http is for loopback, unless [WithInsecureHTTP] says
// otherwise (transport.ErrInsecure).
//
// # What is a refusal
//
// connect.CodeUnauthenticated, in the form of the protocol or as an HTTP status of
// 401. [WithClassifier] adds others. That the key was accepted, only a success says,
// or a stream's first message. Where another key was refused for the same call, a code
// that only an application gives says it too: InvalidArgument, NotFound,
// AlreadyExists, FailedPrecondition, Aborted, OutOfRange, DataLoss. All others may
// come from a proxy or from this side and say nothing of the key, nor do headers
// without a message.
//
// # What is made again
//
// A unary call: the code means that it was not carried out. A server that passes
// on the Unauthenticated of a server behind it, after it has done its part, needs a
// classifier that tells the two apart. How often a call is made at the most is the
// ring's to say: the rule is twice; see [ring.Attempt].
//
// A stream, until its first message has come. What was sent so far is kept and
// sent again: up to 4,096 messages and 256 KiB of them; see [WithReplay]. Messages
// are copied, so the caller may use one again. When more was sent, when a
// message is no protobuf message or when a message came, the refusal goes to the
// caller, and the next call gets another key. A server that refuses without reading
// lets no more than a flow-control window pass, which is 1 MiB with net/http and 64
// KiB with gRPC's own server: keep as much where long streams of the client must not
// fail. Over HTTP/1.1 a server that refuses early may close the connection, and the
// call fails with that error: use HTTP/2 for streams of the client.
//
// A stream that is made again has new headers: ResponseHeader, called before the
// first message came, may have returned those of the refusal.
//
// Interceptors below this one see each attempt as a call of its own.
//
// # Errors
//
// They have a code, and wrap what the ring says, such as [source.ErrNoKey]. Where
// the message of a server's error quotes the key, it is replaced by [redacted].
package connectauth
