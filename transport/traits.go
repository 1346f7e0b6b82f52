package transport

import (
	"fmt"
	"net/http"
)

// Traits are what a transport has to know of a scheme besides how it signs. The zero
// value is that of a scheme of which nothing is known: every request needs a key, and
// none is taken for one that comes with a credential of its own. The functions are safe
// for concurrent use. One that panics fails the request; Resync has learned nothing then
// (F97).
type Traits struct {
	// Headers, Params and Fields name the headers, the parameters of the query, and the
	// fields of a form in the body where the API takes a key. A request that comes with
	// something in one of them has a credential of its own, which is an error, or is
	// replaced, or goes out: see [ErrCredential] (F47). A header is found as it is
	// spelled here, in canonical form, in lower and in upper case.
	Headers, Params, Fields []string
	// Prefix is the text ahead of the secret in the value of a header, such as "Token ".
	// A header that holds the prefix alone holds no credential.
	Prefix string
	// Strip takes out of req, the transport's copy, what else a client of the API's own
	// adds when it signs, such as a timestamp. Only [WithOverride] calls it. An error
	// ends the request before anything is sent. Nil: there is nothing else.
	Strip func(req *http.Request) error
	// NeedsKey reports whether a request needs a key. One that does not, such as one for
	// public market data, is sent as it is, even where there is no key, and its answer
	// says nothing about one. Nil: every request needs a key.
	NeedsKey func(*http.Request) bool
	// NotIdempotent reports whether a request has an effect although its method is a
	// safe one, such as an order that is placed by GET. net/http sends such a request
	// again when its connection is lost, and must not. The price is that the request
	// fails, too, if the server had closed the idle connection that it was to take.
	// After a refusal the default policy sends it again as little as a POST; a policy
	// that is given by [WithReplay] decides alone. Nil: the method says it.
	NotIdempotent func(*http.Request) bool
	// Sequential sends the requests that need a key one at a time, from signing until
	// the answer's header, for APIs that refuse a nonce that arrives out of order.
	Sequential bool
	// Resync learns the server's clock from an answer that a classifier called
	// [ClockSkew]. If it reports true, the request is signed anew with the same key and
	// sent once more, if it may be sent again. Nil: there is nothing to learn.
	Resync func(*Answer) bool
}

// traitsOf returns the scheme's traits. An embedded scheme that is nil, for one, panics.
func traitsOf(scheme Scheme) (traits Traits, err error) {
	defer func() {
		if recover() != nil {
			err = fmt.Errorf("transport: %w", errPanicked)
		}
	}()
	return scheme.Traits(), nil
}

// ask calls a function of the scheme's. One that panics fails the request (F97).
func ask(question func(*http.Request) bool, req *http.Request) (yes bool, err error) {
	defer func() {
		if recover() != nil {
			err = fmt.Errorf("transport: %w", errPanicked)
		}
	}()
	return question(req), nil
}
