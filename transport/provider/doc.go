// Package provider knows how real APIs take a key and how they refuse one.
//
// Each API has a function that returns a [Profile]: the scheme that puts a key on a
// request, the classifier that recognizes a refusal, and the origins that the key may
// go to. One option selects it:
//
//	c, err := client.New(ctx, file.Dir("/run/secrets/kraken"), client.WithProvider(provider.Kraken()))
//
// A key of an exchange has an ID and a Secret, and at some exchanges a passphrase in
// Extra. All parts must come from one reading of one source: the exchange refuses a
// signature made with the id of one version and the secret of another.
//
// # Signatures
//
// The scheme signs each attempt anew, with the time or nonce of that attempt, over the
// bytes that are sent. So nothing below the transport may change the method, path,
// query or body. The scheme reads the body by GetBody, which http.NewRequest sets for
// readers in memory. If there is no GetBody, the request fails with transport.ErrBody
// and nothing is sent. Each profile says where its scheme adds fields. The caller's own
// fields keep their order, and Content-Length is adapted. Bytes from 0x80 on in a query
// or a form are percent-encoded first. If the caller sets a timestamp or nonce in the query
// or body, the scheme keeps it. A request that already
// has one of the scheme's headers is an error. An exchange's own client signs its
// requests: under it use transport.WithOverride, which replaces the client's headers,
// timestamp, nonce and signature.
//
// The nonces of a key id always grow, across all goroutines and clients of the process
// and across steps of the clock. Other processes are not coordinated: give each process
// its own key. Kraken, Gemini and Bitfinex refuse a nonce that arrives out of order, so
// a transport sends their requests one at a time, each up to the header of its answer.
// Make one transport for each key, and limit the wait for a header, because other
// requests wait too. client.New sets a limit of 60 s.
//
// # Requests that are sent once
//
// Some APIs place orders by GET, as Deribit does. net/http does not repeat such a GET
// when its connection is lost, and client.WithRetry does not either. [Profile.Reads]
// tells reads from such orders, for a read-only key.
//
// # Clocks
//
// A refusal of the request's time or nonce never counts against the key. With
// [LearnClock] the scheme corrects its time by the server's. Coinbase CDP and Deribit do not
// say that they refused the time: there the Date header of the answer does, see [Dated].
//
// # Refusals
//
// An error that the API documents as an error of the key or its signature has the
// verdict transport.RefusedUnapplied: the request was not carried out and may be sent
// again, even an order. A 401 without such an error is transport.Refused. Rate limits,
// missing scopes, forbidden addresses, locked accounts and busy servers are
// transport.Inconclusive, whatever the status: the caller gets the answer, and it says
// nothing about the key. If the outcome is unknown, as after a 5xx, the answer passes.
//
// Kraken, Bybit, OKX, KuCoin, Deribit, Slack and GraphQL servers answer errors with status
// 200. For these the classifier reads the beginning of every body, and a 200 counts as an
// acceptance only if the body has the form of a success: see [Success]. An error that may
// be about the key or about something else, such as the client's address, is
// transport.Ambiguous. So is a 401 with an error code that is not listed: exchanges add
// codes, and answer 401 to missing permissions too. [GraphQL] says when a mutation is sent
// again.
//
// # Keys with several parts, keys in forms
//
// Datadog and Alpaca take a key in two headers: see [transport.Headers]. Slack also
// takes a token in a form, and some of its clients send theirs there.
// transport.WithOverride removes it before the request is sent.
//
// # WebSockets
//
// [Profile.Session] keeps a WebSocket logged in with the ring's key, with any WebSocket
// library, in a program that sends requests and in one that sends nothing but logins. See
// its example, and the tradingbot example.
//
// A session logs in on a new connection each time, and leaves the old one when the new one
// is logged in. Bybit and Alpaca require that: they let a connection log in once. Alpaca
// also allows one connection only, so the old one ends first. Binance and Deribit, whose
// logins can be repeated, keep what a connection has subscribed to only as long as it
// lasts, so subscribe anew in each call of connect. OKX does not say.
//
// An API without Login gets one by setting Login and LoginVerdict of its profile: see
// okx.go, and [FailedLogin]. If the key
// goes into the URL or a header of the WebSocket's handshake instead, use
// [transport.Transport.Middleware] or a dialer that takes an http.Client.
//
// # Adding an exchange
//
// A [Signing] describes an exchange: the hash or the kinds of private keys, the parts
// of the message in order, the headers, the login. [Signing.Profile] makes a profile
// from it, [Codes] a classifier by error code, and [Success] says what a success looks like. The profiles of this package use
// only exported names, so you can copy the file of a similar exchange and change it:
// okx.go for headers, kraken.go for a nonce in the body, binance.go for the query,
// coinbasecdp.go for a token. See also the example of Signing.
package provider
