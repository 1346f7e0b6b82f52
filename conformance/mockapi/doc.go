// Package mockapi is a mock API with a whole key life: a real HTTP server on
// loopback that issues, rotates, expires and revokes keys, refuses requests the
// ways real APIs do, and remembers every attempt with the key version that it
// carried.
//
//	api := mockapi.New(t)                    // closed when the test ends
//	v1 := api.Issue(mockapi.Spec{})          // a random key, accepted at once
//	os.WriteFile(path, []byte(v1.Secret.Expose()), 0o600)
//	// ... requests to api.URL() carry it as "Authorization: Bearer ..."
//	v2 := api.Rotate(time.Hour)              // v1 is accepted for one more hour
//	api.Revoke(v1.Version)                   // or not
//	accepted, refused := api.Count(v2.Version)
//
// Programs that are no Go test use [Start] and Close; programs in other
// languages run cmd/mockapi and drive it over the admin API.
//
// # Key life
//
// Versions are named v1, v2, ... in the order of [API.Issue]. A server has one or
// more replicas ([WithReplicas]) behind one address; requests go to them in turn,
// or to the one that the header Mock-Replica names. Each replica accepts a version from
// a moment of its own ([WithPropagation], [Spec.Replicas], [API.Activate]) until
// the version expires, is revoked, or is taken from it ([API.Deactivate]).
//
// # Presenting and refusing
//
// [WithAuth] says how a key is presented; the default is [Bearer]. An
// [Authenticator] names the version of which a request carries the credentials;
// whether that version is good here and now is for the server to say. A
// refusal has the shape of [WithRefusal] or [API.SetRefusal]: by default
// [Unauthorized], answered before the request's body is read, as gateways do.
// [API.Hold] keeps answers back, [API.Intercept] lets a test do anything else.
//
// # Requests and orders
//
// Every path answers 200 with a small JSON echo to an accepted request.
// [API.SetAnswer] makes the answers slow, dripping or endless. POST
// /orders also applies an order, once for each accepted request and without any
// look at its client order id, so that what a client sends twice shows twice in
// [API.Orders]. All answers to judged requests carry Mock-Version and
// Mock-Replica, so that a client's own report can be held against the server's.
//
// [WithHandler] puts a handler of the test's own in place of the echo, for SDKs that
// stream: server-sent events reach the client as they are flushed, a WebSocket
// upgrade may hijack the connection, trailers arrive. Keys, refusals, holds,
// intercepts and the log go before it. A key that is revoked later ends neither a
// stream nor a hijacked connection: that is the handler's to do.
//
// [API.Requests] is the log. It is written before the answer is: whoever has
// the answer finds the attempt there.
//
// # The key document
//
// [API.KeysURL], on a listener of its own, serves the key document for
// source/remote: ETag and If-None-Match, and long poll (Prefer: wait=N, RFC 7240).
// It lists what the server was told to accept, unless the two are moved apart:
// [Spec.Inactive] and Activate for "source first", [Spec.Unlisted] and
// [API.List] for "server first", [API.Deactivate] for a server that drops a key
// which the document still lists.
//
// # Time
//
// The server goes by the wall clock. In a testing/synctest bubble, with
// [WithMemory], hours of overlap pass in no time:
//
//	synctest.Test(t, func(t *testing.T) {
//		api := mockapi.New(t, mockapi.WithMemory())
//		v1 := api.Issue(mockapi.Spec{ValidFor: 24 * time.Hour})
//		time.Sleep(24 * time.Hour) // v1 is refused from here on
//	})
//
// # Secrets
//
// Generated secrets begin with [Sentinel], so that a search through logs and
// output finds a leak. The log redacts credential headers, query parameters and
// every value with a sentinel in it, unless [WithCredentialsLogged] is given.
// The admin API and the key document hold secrets: that is what they are for.
// The server listens on loopback only, and gives these two to requests for a
// loopback host only.
package mockapi
