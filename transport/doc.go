// Package transport puts the current key of a ring on each request, and sends a
// request again with another key when the server refuses the one it carried.
//
//	keys, err := ring.Keep(ctx, file.New("/run/secrets/api-key"))
//	if err != nil {
//		return err
//	}
//	client := &http.Client{Transport: transport.New(keys, transport.Bearer(),
//		transport.WithOrigin("https://api.example.com"))}
//
// [Keep] does both in one, and has the scheme look at the first keys as well. A
// [Transport] wraps any http.RoundTripper ([WithBase]) and can be wrapped by any.
// [Route] chooses among several by the request.
//
// # How a key goes onto a request
//
// A [Scheme] prepares each key version once and makes a [Signer], which signs each
// attempt: [Bearer], [Header], [HeaderPrefix], [Basic], [Query], [HMAC]; package
// provider has those of real APIs. The request that is sent is a copy: the
// caller's stays as it is, and resp.Request is the caller's.
//
// # Under an SDK
//
// Most SDKs set the credential's header themselves, unasked: to a key that they insist
// on, to one out of the environment, or to nothing. A request that comes with a
// credential fails with [ErrCredential]; [WithOverride], which is for use under SDKs,
// sends the ring's key in its place:
//
//	sdk := openai.NewClient(option.WithHTTPClient(&http.Client{
//		Transport: provider.OpenAI().Transport(keys, transport.WithOverride())}))
//
// [Transport.Middleware] is for SDKs, and WebSocket libraries, that take no
// http.Client but a function around each request, [Transport.Sign] for those that have
// hooks alone, and the ring's Token for those that ask for a token. The README of
// conformance/sdks has the line to write for each of some thirty SDKs.
//
// # What is a refusal
//
// A [Classifier] reads each answer; the default is [RFC6750]. It may look at the
// beginning of the body, which the caller still gets whole. Answers that say
// nothing of the key, though their status be 200, it calls [Inconclusive]. [GRPC] reads the
// answers of gRPC and Connect.
//
// # What is sent again
//
// A refused request is sent again if its body can be had again (GetBody, as
// http.NewRequest sets it; nothing is buffered) and the replay policy allows it:
// see [Replayable]. The refused attempt has lost its body by then, so that one that
// GetBody rewinds is not read by two. GetBody is called before the earlier body is
// closed, and must not wait for that. Otherwise the caller gets the refusal, unread,
// and the next request gets another key. The rule is two attempts, the second with the same
// key if there is no other and the server accepted it last. There is a third where the
// keys change under the request or a key that was refused before has its turn, and one
// more where the source came up with a new key after all were refused. A server's
// clock that was learned from an answer (Resync of [Traits]) costs one attempt besides.
//
// # Where a key may go
//
// To its origins: scheme, host and port ([WithOrigin]; without it, to the origin of
// the first request). A redirect that leaves them once goes on without the key;
// any other request elsewhere is an error. Plain http is for loopback, unless
// [WithInsecureHTTP] says otherwise.
//
// # What became of it
//
// [Observe] tells the version and the number of attempts of one request; the
// ring's Status tells it of all.
//
// We never dump or trace requests. Tracing of your own below this transport sees
// the key; above it, it does not.
package transport
