package transport

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport/internal/header"
)

// Traits tell the transport what it must know about a scheme besides how it signs. With
// the zero value every request needs a key, and the transport does not look for
// credentials that requests already have. The functions must be safe for concurrent
// use. If NeedsKey, NotIdempotent or Strip panics, the request fails; if Resync panics,
// nothing was learned.
type Traits struct {
	// Headers, Params and Fields name the headers, the query parameters and the form
	// fields in the body where the API takes a key. If a request has a value in one of
	// them, it has a credential of its own: the request fails, or the credential is
	// replaced, or is sent. See [ErrCredential]. Header names match as spelled
	// here, in canonical form, in lower case and in upper case.
	Headers, Params, Fields []string
	// Prefix is the text before the secret in the value of a header, such as "Token ".
	// A header whose value is only the prefix holds no credential.
	Prefix string
	// Strip removes from req, the transport's copy, what else the API's own client adds
	// when it signs, such as a timestamp. Only [WithOverride] calls it. If it returns
	// an error, the request fails and nothing is sent. Nil: there is nothing else to
	// remove.
	Strip func(req *http.Request) error
	// NeedsKey reports whether a request needs a key. A request that needs none, such
	// as one for public market data, is sent unchanged, even if there is no key; its
	// answer says nothing about a key. Nil: every request needs a key.
	NeedsKey func(*http.Request) bool
	// NotIdempotent reports whether a request has an effect although its method is
	// safe, such as a GET that places an order. net/http repeats a request with a safe
	// method if its connection is lost; the transport prevents this for the requests
	// reported here. The price: such a request also fails if the server has just closed
	// the idle connection. After a refusal the default policy treats such a request
	// like a POST; a policy given by [WithReplay] decides alone. Nil: the method
	// decides.
	NotIdempotent func(*http.Request) bool
	// Sequential sends requests that need a key one at a time, from signing to the
	// header of the answer. It is for APIs that refuse a nonce that arrives out of
	// order. Default: requests are sent concurrently.
	Sequential bool
	// Resync learns the server's clock from an answer that the classifier called
	// [ClockSkew]. If Resync returns true and the request may be sent again, it is
	// signed again with the same key and sent once more. If it returns false, the ring
	// emits a Warning, once. Nil: there is no clock to learn.
	Resync func(*Answer) bool
}

// traitsOf returns the scheme's traits, or an error if Traits panics: a scheme that
// embeds a nil Scheme does.
func traitsOf(scheme Scheme) (traits Traits, err error) {
	defer func() {
		if recover() != nil {
			err = fmt.Errorf("transport: %w", errPanicked)
		}
	}()
	return scheme.Traits(), nil
}

// strip calls Strip. If it panics, the request fails (F97).
func strip(f func(*http.Request) error, req *http.Request) (err error) {
	defer func() {
		if recover() != nil {
			err = errPanicked
		}
	}()
	return f(req)
}

// check returns an error if no key could be put where the scheme puts it (F134).
func (t *Traits) check() error {
	for _, name := range t.Headers {
		if !header.ValidName(name) {
			return fmt.Errorf("transport: %w: %q is not a header's name", source.ErrUnusable, name)
		}
	}
	if slices.Contains(slices.Concat(t.Params, t.Fields), "") {
		return fmt.Errorf("transport: %w: the name of a parameter is empty", source.ErrUnusable)
	}
	return nil
}

// ask calls a function of the traits. If the function panics, the request fails (F97).
func ask(question func(*http.Request) bool, req *http.Request) (yes bool, err error) {
	defer func() {
		if recover() != nil {
			err = fmt.Errorf("transport: %w", errPanicked)
		}
	}()
	return question(req), nil
}
