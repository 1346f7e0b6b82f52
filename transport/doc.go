// Package transport puts the current key of a ring on each request. When the server
// refuses the key, it sends the request again with another one.
//
//	keys, err := ring.Keep(ctx, file.New("/run/secrets/api-key"))
//	if err != nil {
//		return err
//	}
//	client := &http.Client{Transport: transport.New(keys, transport.Bearer(),
//		transport.WithOrigin("https://api.example.com"))}
//
// [Keep] makes the ring and the transport in one call, and lets the scheme check the
// first keys too. A [Transport] wraps any http.RoundTripper ([WithBase]), and any
// http.RoundTripper may wrap it. [Route] chooses among several transports by the
// request.
//
// # How a key goes onto a request
//
// A [Scheme] prepares each version of a key once and returns a [Signer], which signs
// each attempt. The schemes here are [Bearer], [Header], [HeaderPrefix], [Headers],
// [Basic], [Query] and [HMAC]; package provider has those of real APIs. The transport
// sends a copy of the request. It never changes the caller's request, and resp.Request
// is the caller's request.
//
// # Under an SDK
//
// Most SDKs set the credential's header themselves: to a key that their constructor
// requires, to a key from the environment, or to an empty value. A request that already
// has a credential fails with [ErrCredential]. Under an SDK use [WithOverride], which
// replaces the SDK's credential by the ring's key:
//
//	sdk := openai.NewClient(option.WithHTTPClient(&http.Client{
//		Transport: provider.OpenAI().Transport(keys, transport.WithOverride())}))
//
// An SDK or a WebSocket library that takes no http.Client may take a function around
// each request: give it [Transport.Middleware]. If it only has hooks, use
// [Transport.Sign]. If it asks for a token, use [ring.Ring.Token]. The README of
// conformance/sdks shows the line for some thirty SDKs.
//
// # What a refusal is
//
// A [Classifier] reads each answer and decides whether the server refused the key. The
// default is [RFC6750]. A classifier may read the beginning of the body; the caller
// still gets the whole body. For an answer that says nothing about the key it returns
// [Inconclusive], even if the status is 200. [GRPC] classifies the answers of gRPC and
// Connect.
//
// # What is sent again
//
// The transport sends a refused request again if its body can be read again and the
// replay policy allows it: see [Replayable]. A body can be read again if the request
// has GetBody, which http.NewRequest sets; the transport buffers nothing. Otherwise the
// caller gets the refusal with its body unread, and the next request gets another key.
//
// When the request is sent again, the refused attempt can no longer read the body, so
// two attempts never read one reader that GetBody rewinds. The transport calls GetBody
// before it closes the earlier body; GetBody must not wait for that.
//
// A request has two attempts at most, as a rule. If there is no other key and the
// server accepted this one last, the second attempt uses the same key. There is a third
// attempt if keys change while the request is under way, or if a key that was refused
// earlier is due to be tried again. There is one more if the source brings a new key
// after all keys were refused. An attempt after the scheme learned the server's clock
// (Resync of [Traits]) does not count.
//
// # Where a key may go
//
// A key goes only to its origins: scheme, host and port. They are named by [WithOrigin],
// without which nothing is sent. A redirect to another origin is followed without the
// key, and so are all redirects after it. Any other request to another origin is an
// error. Plain http is allowed only to loopback, unless [WithInsecureHTTP] is given.
//
// # What happened to a request
//
// [Observe] reports the version and the number of attempts of one request. The ring's
// Status reports them for all requests.
//
// The transport never dumps or traces a request. Tracing below the transport sees the
// key; tracing above it does not.
package transport
