// Package remote reads keys from an HTTPS endpoint and learns of a new one
// within milliseconds, where the endpoint can hold its answer.
//
//	src, err := remote.New("https://keys.example.com/v1/keys",
//		remote.WithBearer(file.New("/run/secrets/keys-token")))
//
// Hand it to ring.Keep. Importing the package also opens source strings:
//
//	https://keys.example.com/v1/keys?poll=1m
//	https://keys.example.com/v1/keys?remote_auth=file:///run/secrets/keys-token
//	https://keys.example.com/v1/keys?remote_auth=env://KEYS_TOKEN&remote_header=X-Token
//	https://keys.example.com/v1/keys?remote_wait=0
//
// remote_auth is a source string of its own (escape it if it has parameters);
// its key is sent as a bearer token, or in the header remote_header.
// remote_wait is WithWait. All other parameters but the ring's (overlap, poll,
// max_stale) are the endpoint's and are sent as they stand.
//
// # What the endpoint must do
//
// Answer GET with status 200, Content-Type application/json and a key document
// (see source.Document) of at most 64 KiB, not compressed. That is enough; with
// the following it does better:
//
//   - ETag: readings become conditional (If-None-Match, RFC 9110 section 13.1.2)
//     and 304 confirms what is held. Last-Modified is not used: two changes in
//     one second would look like one.
//   - Prefer: wait=N (RFC 7240 section 4.3) on a conditional request: if nothing
//     has changed, hold the answer for up to N seconds and send the document
//     when it changes, else 304 with Preference-Applied: wait. A switch then
//     takes two round trips: this one, and a conditional reading, as another
//     change may have followed. Polling goes on underneath.
//   - Cache-Control: max-age=N: when to read again, between 1 s and 1 h.
//     max-age=0, no-cache and no-store leave it to the ring's own interval.
//   - Retry-After (RFC 9110 section 10.2.3) on 429 and 5xx: when to try again,
//     at most 1 h, of which the ring makes at most 5 min.
//
// # What it may do without harm
//
// Answer with a login page, half a document, an endless or a dripping one, a
// compressed one, a redirect elsewhere, 304 out of the blue, or not at all. Each
// is an error with a word for it, and the ring goes on with the keys it has. An
// answer is checked whole before it takes the place of the last one.
//
// A reading takes at most 20 s. It makes one request; a second one after about
// 200 ms if the connection broke or the server failed (5xx but 501) without a
// Retry-After; and one more of either where WithClientCredentials replaces a
// token that was refused. TLS failures are not tried again. What comes after
// that is the ring's back-off. An endpoint that takes a long poll and does not
// hold it is asked again after a pause that doubles from 5 ms to 30 s, or to 1 s
// if it brings another document each time and says that it waits (256 in a row
// come first); one that does not know long polls, after 10 minutes.
//
// # Credentials
//
// The source's own credential comes from another source, so it rotates as the
// keys do, or from an OAuth 2 token endpoint. It goes to the URL's origin only:
// a redirect to another scheme, host or port is not followed. Plain http is
// refused but for loopback addresses. A URL's parameters are sent and never
// shown; its user info is refused.
//
// The source has a transport of its own, with the proxy of the environment
// (http.ProxyFromEnvironment), and uses neither http.DefaultTransport nor
// http.DefaultClient: the SDK itself may be installed there, waiting for keys.
package remote
