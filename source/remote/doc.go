// Package remote reads keys from an HTTPS endpoint. If the endpoint supports long polling,
// it notices a new key within milliseconds.
//
//	src, err := remote.New("https://keys.example.com/v1/keys",
//		remote.WithBearer(file.New("/run/secrets/keys-token")))
//
// Pass src to ring.Keep. If the package is imported, [source.Parse] and ring.Open also open
// these source strings:
//
//	https://keys.example.com/v1/keys?poll=1m
//	https://keys.example.com/v1/keys?remote_auth=file:///run/secrets/keys-token
//	https://keys.example.com/v1/keys?remote_auth=env://KEYS_TOKEN&remote_header=X-Token
//	https://keys.example.com/v1/keys?remote_wait=0
//
// remote_auth is a source string itself. Escape it if it has parameters. Its key is sent as
// a bearer token, or in the header remote_header. remote_wait is the duration of [WithWait].
// All other parameters, except those of the ring (overlap, poll, max_stale), are sent to the
// endpoint unchanged. But a parameter of another source, such as format or ca_file, and one that
// is a letter off from one that this SDK has, such as overlapp, is an error: it would have no
// effect, and the endpoint would get it. [New] takes a URL with any parameters.
//
// # What the endpoint must do
//
// The endpoint must answer GET with status 200, Content-Type application/json and a key
// document (see [source.Document]) of at most 64 KiB, uncompressed. The following headers
// are optional:
//
//   - ETag: the source then makes conditional requests (If-None-Match, RFC 9110 section
//     13.1.2), and 304 says that the document has not changed. The source ignores
//     Last-Modified, because two changes within a second have the same time.
//   - Prefer: wait=N (RFC 7240 section 4.3): the source sends it with a conditional request
//     as a long poll. If the document has not changed, the endpoint should wait for up to N
//     seconds. It sends the document as soon as that changes, or else 304 with
//     Preference-Applied: wait. A switch then takes two round trips: the long poll, and a
//     conditional reading, because another change may have followed. The ring polls as well.
//   - Cache-Control: max-age=N says when to read again. The source limits N to 1 s to 1 h. With
//     max-age=0, no-cache and no-store the ring uses its own interval.
//   - Retry-After (RFC 9110 section 10.2.3) with status 429 or 5xx says when to try again. The
//     source limits it to 1 h, and the ring to 5 min.
//
// # What the source withstands
//
// A login page, a truncated document, an endless or slow response, a compressed one, a
// redirect to another origin, an unexpected 304 and no response at all are errors. Each
// error says what was wrong, and the ring keeps the keys that it has. The source checks a
// response in full before it replaces the last one.
//
// A reading takes 20 s at most. It sends one request. If the connection breaks, or the
// server fails (5xx except 501) without a Retry-After, it sends a second one after about
// 200 ms. If [WithClientCredentials] replaces a token that was refused, both may happen once
// more with the new token. TLS errors are not retried. After that, the ring backs off.
//
// If an endpoint supports long polls but answers early, the source pauses before the next
// one. The pause doubles from 5 ms to 30 s. If the endpoint sends another document each time,
// the pause stays at 5 ms for 256 documents. Then it doubles as well, but to 1 s at most if
// the responses have Preference-Applied: wait. If an endpoint does not support long polls,
// the source tries one about every 10 min.
//
// # Credentials
//
// The source's own credential comes from another source, so it can rotate as well, or from an
// OAuth 2 token endpoint. The source sends it to the URL's origin only: it does not follow a
// redirect to another scheme, host or port. It refuses plain http except to loopback
// addresses. It sends the parameters of the URL, but no error or log shows them. It refuses
// user info in the URL.
//
// The source has an HTTP transport of its own, which uses the proxy of the environment
// ([http.ProxyFromEnvironment]). It uses neither [http.DefaultTransport] nor
// [http.DefaultClient]: this SDK may be installed there and wait for the keys.
package remote
