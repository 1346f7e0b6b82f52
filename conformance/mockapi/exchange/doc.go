// Package exchange simulates crypto exchanges on a mock API. It verifies request
// signatures, refuses requests as each exchange does, and records the orders.
//
//	e, err := exchange.New("kraken")
//	api := mockapi.New(t, e.Options()...)
//	key := api.Issue(mockapi.Spec{})            // with an ID and secret in Kraken's format
//	req, err := e.Place(ctx, api.URL(), "rk-1") // an unsigned order for the client under test
//	...
//	e.Orders()                                  // the orders that the exchange has accepted
//
// [Names] lists the exchanges. Their names are those of the profiles in package
// transport/provider. "bitvavo" has no profile; it refuses keys with 403.
//
// # Verification
//
// The exchange finds the key by its ID. It verifies the signature against the
// request line, headers and body as received. The verifiers share no code with the
// signers in transport/provider; they are written from the exchanges'
// documentation, to which the source of each exchange links. All endpoints need a
// key.
//
// The bytes from 0x80 on in a query or a form must be percent-encoded, as Binance wants
// them since 2026-01-15: the others do not say how they read them.
//
// The timestamp of a request must be within the window that the exchange
// documents. A nonce must be higher than all earlier ones of its key, or as
// [WithNonceWindow] allows. Deribit's nonces and Coinbase's JWTs may be used once.
// If the Spec of a key has Scopes, it needs "trade" for orders and "read" for
// other requests.
//
// # Refusals
//
// Each refusal has the exchange's own status and body. Kraken and Bybit refuse
// with 200, Bitfinex with 500, Gemini with 400. A revoked key is refused like an
// unknown one: Binance, for example, answers -2015, as it also does for a missing
// permission, and below /sapi/ -2008 with 400. An expired key is too, except by Bybit.
// OKX refuses a missing permission with 401, like a bad key. Refusals have a Date header by the exchange's
// clock ([WithSkew]). With [WithLockout] the exchange locks out clients that
// repeatedly send bad keys.
//
// # Orders
//
// Orders are sent to the exchange's own endpoints with its own parameters.
// [Exchange.Orders] returns them; [mockapi.API.Orders] does not.
// [Exchange.Place], [Exchange.Cancel] and [Exchange.Read] make unsigned requests.
// The exchange ignores whether a client order ID was used before, so an order
// that a client sends twice appears twice.
//
// # WebSocket logins
//
// The mock has no WebSocket endpoint. Instead, POST the text of a login message to
// [LoginPath]. The exchange verifies it, and the mock API logs it, like a request
// with that key. The body of the response is the WebSocket's answer, which
// LoginVerdict of a profile reads.
package exchange
