// Package exchange plays exchanges on a mock API: it verifies signatures for
// real, refuses as each exchange does, and keeps books of the orders.
//
//	e, err := exchange.New("kraken")
//	api := mockapi.New(t, e.Options()...)
//	key := api.Issue(mockapi.Spec{})            // id and secret as Kraken's are
//	req, err := e.Place(ctx, api.URL(), "rk-1") // an order, for the client under test
//	...
//	e.Orders()                                  // what the exchange took
//
// The names are those of the profiles in transport/provider, and "bitvavo", which
// has none there and refuses keys with 403.
//
// # Verification
//
// Keys are found by the id, and the signature is computed, or verified with the
// public half, from the request line, the headers and the body as they came. None
// of the code is shared with the signers: it was written from the exchanges'
// documentation. All endpoints are private ones.
//
// A request's time has to lie within the exchange's documented window, a nonce
// has to be higher than those before ([WithNonceWindow]); Deribit's nonces and
// Coinbase's JWTs come once. A key
// whose Spec has Scopes needs "trade" for orders and "read" for the rest.
//
// # Refusals
//
// Each fault has the exchange's own status and body: Kraken and Bybit refuse with
// 200, Bitfinex with 500, Gemini with 400. A key that expired or was revoked is
// unknown to an exchange, and refused as such: Binance then answers -2015, which
// it also does for a missing permission. Refusals carry a Date header by the
// exchange's clock ([WithSkew]). [WithLockout] has it shut out a client that keeps
// on sending bad keys.
//
// # Orders
//
// Orders go to the exchange's own endpoint under its own name for a client order
// id, and into the exchange's books rather than those of mockapi. [Exchange.Place],
// [Exchange.Cancel] and [Exchange.Read] make such requests, unsigned. An order is
// applied for each accepted request, without any look at its client order id, so
// that what a client sends twice shows twice.
//
// # WebSocket logins
//
// There is no WebSocket here. The text of a login message, sent to [LoginPath], is
// verified as the exchange would verify it, and judged and logged as a request
// with that key.
package exchange
