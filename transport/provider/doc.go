// Package provider knows how real APIs take a key and how they refuse one.
//
// Each API is a function that returns a [Profile]: the scheme that puts a key on
// a request, the classifier that reads its refusals, the origins that the key may
// go to. One line chooses it:
//
//	c, err := client.New(ctx, file.Dir("/run/secrets/kraken"), client.WithProvider(provider.Kraken()))
//
// A key of an exchange is a pair, source.Key's ID and Secret, and with some a
// passphrase in Extra. The pair has to come from one reading of one source: an
// id and a secret of different versions make signatures that are refused.
//
// # Signatures
//
// A request is signed anew for each attempt, with the time or nonce of that
// attempt, over the bytes that are sent. So what comes after the transport must
// not change method, path, query or body. Bodies are read through GetBody, which
// http.NewRequest sets for readers that lie in memory; a body without it is
// refused with transport.ErrBody, before anything is sent. Fields that a scheme
// adds go where each function says; the caller's own keep their order, and
// Content-Length follows. A timestamp or nonce that the caller sets himself is
// kept where it stands in query or body. A request that comes with one of the
// scheme's headers is an error; under an exchange's own client, which signs by itself,
// transport.WithOverride replaces its headers, timestamp, nonce and signature.
//
// Nonces grow strictly for each key id, whatever goroutine or client of the
// process asks, and whatever the clock does. They know nothing of other processes:
// give each process a key of its own. Where the API refuses a nonce that arrives out
// of order, as Kraken, Gemini and Bitfinex do, the requests of a transport go one at
// a time, up to the answer's header: make one transport for a key, and bound the
// wait for a header (client.New does, with 60 s), as the others wait with it.
//
// # Requests that are sent once
//
// A GET that places an order, as Deribit's do, is not repeated by net/http when its
// connection is lost, nor by client.WithRetry. [Profile.Reads] tells reads from such
// orders, for a read-only key.
//
// # Clocks
//
// A refusal of the request's time or nonce never counts against the key.
// [LearnClock] makes the scheme correct its time by the server's.
//
// # Refusals
//
// An error that the API documents as one of the key, or of its signature, is
// transport.RefusedUnapplied: the request was not carried out and may be sent
// again, an order too. A 401 that says nothing else is transport.Refused. Limits,
// scopes, addresses, locked accounts and servers that are busy are transport.Inconclusive,
// whatever their status: they go to the caller and say nothing of the key. Outcomes
// that nobody knows, such as a 5xx, pass through.
//
// Where an API refuses with status 200, as Kraken, Bybit, Slack and GraphQL servers do,
// a 200 is an acceptance only if its body is one: the beginning of each answer's body is
// read. An error that may be about the key or about something else, such as the
// address, is transport.Ambiguous. [GraphQL] says when a mutation is sent again.
//
// # Keys in parts, and keys in forms
//
// Datadog and Alpaca take a key in two headers: see [transport.Headers]. Slack takes a
// token in a form, too, and its clients put theirs there: transport.WithOverride takes
// it out before the request is sent.
//
// # WebSockets
//
// [Profile.Login] makes the signed message that logs a key in. The Switched,
// RolledBack, FellBack and Recovered events are the time to send a new one.
//
// A bot that sends requests besides may log in with the key that the ring's InUse
// gives: the requests tell the ring which key the API takes. One that lives on the
// WebSocket alone tells it by itself, with an attempt for each login, or the ring
// would never fall back:
//
//	attempt, err := ring.Attempt(ctx, true)
//	for ok := err == nil; ok; {
//		message, err := profile.Login(attempt.Key())
//		... // send it, read the answer
//		switch {
//		case loggedIn:
//			attempt.Accepted()
//			return nil
//		case keyRefused:
//			ok = attempt.Next(ctx, false) // another key, if there is one
//		default: // no answer, or one about something else
//			attempt.Unknown()
//			ok = false
//		}
//	}
//	... // back off, and longer each time, before the next round
//
// Pass true to Next where the answer may be about something else, as Binance's
// -2015 is. The tradingbot example does all this.
//
// # Adding an exchange
//
// A [Signing] is a description: the hash or the kinds of private key, the parts of the
// message in their order, the headers, the login. [Signing.Profile] makes a profile of
// it, and [Codes] a classifier by error code. The profiles of this package use nothing
// that is not exported, so that the file of one that is close to yours can be copied and
// changed: okx.go for headers, kraken.go for a nonce in the body, binance.go for the
// query, coinbasecdp.go for a token. See the example of Signing.
package provider
