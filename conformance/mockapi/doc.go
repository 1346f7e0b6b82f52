// Package mockapi is a mock API for tests of key rotation. It is a real HTTP
// server on loopback. It issues, rotates, expires and revokes keys, refuses
// requests as real APIs do, and logs each attempt with its key version.
//
//	api := mockapi.New(t)                    // closed when the test ends
//	v1 := api.Issue(mockapi.Spec{})          // a random key, accepted at once
//	os.WriteFile(path, []byte(v1.Secret.Expose()), 0o600)
//	// ... requests to api.URL() carry it as "Authorization: Bearer ..."
//	v2 := api.Rotate(time.Hour)              // v1 is accepted for one more hour
//	api.Revoke(v1.Version)                   // or not
//	accepted, refused := api.Count(v2.Version)
//
// A program that is not a Go test uses [Start] and [API.Close]. Programs in
// other languages run cmd/mockapi and control it over the admin API.
//
// # Key life
//
// [API.Issue] names the versions v1, v2 and so on. A server has one or more
// replicas ([WithReplicas]) behind one address. Requests go to the replicas in
// turn, or to the replica given in the header Mock-Replica. Replicas may begin to
// accept a version at different times ([WithPropagation], [Spec.Replicas],
// [API.Activate]). A replica accepts a version until it expires, is revoked, or
// is deactivated on that replica ([API.Deactivate]).
//
// # Authentication and refusals
//
// [WithAuth] sets how requests present a key; the default is [Bearer]. The
// [Authenticator] finds the version whose credentials a request carries. The
// server then decides whether the replica accepts that version now. [WithRefusal]
// and [API.SetRefusal] set the response to refused requests; the default is
// [Unauthorized], which is sent before the request's body is read, as gateways
// do. [API.Hold] delays responses. [API.Intercept] lets a test send any other
// response.
//
// # Requests and orders
//
// An accepted request to any path gets 200 with a small JSON echo.
// [API.SetAnswer] makes responses slow or endless, or sends them byte by byte.
// POST /orders also applies an order. The server ignores the client order ID, so
// a request that a client sends twice appears twice in [API.Orders]. All
// responses have the headers Mock-Version and Mock-Replica, so that a test can
// compare the client's report with the server's.
//
// [WithHandler] replaces the echo with a handler of the test, for example for
// SDKs that stream: the handler may flush server-sent events, hijack the
// connection for a WebSocket, and send trailers. The server still checks keys,
// sends refusals, applies holds and intercepts, and logs, before it calls the
// handler. When a key is revoked later, the handler itself must end its streams
// and hijacked connections.
//
// [API.Requests] returns the log. An attempt is logged before its response is
// sent, so a test that has the response finds the attempt in the log.
//
// # The key document
//
// A listener of its own serves the key document at [API.KeysURL], for package
// source/remote. It supports If-None-Match and long polls (Prefer: wait=N, RFC
// 7240 section 4.3). The document lists the versions that the server accepts. A
// test can make the two differ:
//
//   - The source has a new key first: [Spec.Inactive], then [API.Activate].
//   - The server accepts a new key first: [Spec.Unlisted], then [API.List].
//   - The server drops a key that the document still lists: [API.Deactivate].
//
// # Time
//
// The server uses the wall clock. In a testing/synctest bubble with [WithMemory],
// hours of overlap pass without real waiting:
//
//	synctest.Test(t, func(t *testing.T) {
//		api := mockapi.New(t, mockapi.WithMemory())
//		v1 := api.Issue(mockapi.Spec{ValidFor: 24 * time.Hour})
//		time.Sleep(24 * time.Hour) // v1 is refused from here on
//	})
//
// A ring in the bubble reads the key document from [API.Source]. The clock of a bubble does
// not advance while a goroutine waits for the system, as for a socket or for a notification
// about a file: such a test hangs until its timeout. So give an endpoint the connections in
// memory, and have a file polled, by hiding that it can notify:
//
//	keys, err := ring.Keep(ctx, api.Source())
//
//	src, err := remote.New(api.KeysURL(), remote.WithDialer(api.Dial)) // with WithMemory
//	keys, err := ring.Keep(ctx, src)
//
//	src := struct{ source.Source }{file.New(path)}
//	keys, err := ring.Keep(ctx, src) // reads it every 30 s
//
// # Secrets
//
// Generated secrets begin with [Sentinel], so that a search of logs and output
// finds leaks. The log redacts credential headers, credential query parameters
// and all values that contain a sentinel, unless [WithCredentialsLogged] is
// given. The admin API and the key document contain secrets by design. The server
// listens on loopback only, and answers requests for these two only if their
// Host is loopback. With [WithToken] it may listen elsewhere, such as for
// other containers; requests for these two then need the token.
package mockapi
