package provider

import (
	"net/http"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
)

// A Profile describes how one API takes and refuses keys. Each function of this package
// returns a new value, so a caller may change any of its fields, such as Origins for a
// test network.
type Profile struct {
	// Name is the API's name in lower case, such as "kraken".
	Name string
	// Scheme puts a key on a request. It is required.
	Scheme transport.Scheme
	// Classifier decides which answers refuse the key. Nil: transport.RFC6750.
	Classifier transport.Classifier
	// Origins are the origins (scheme, host and port) that the key may go to, such as
	// "https://api.kraken.com". Other origins that the caller names replace them. Empty:
	// the caller must name the origins.
	Origins []string
	// Lockout says that the API locks an account or an address after repeated bad keys.
	// Then the ring sends only probes while every key is refused: see ring.WithLockout.
	Lockout bool
	// Slow says that answers may take minutes, and streams longer, as with language
	// models. client.WithTimeout says what follows from it.
	Slow bool
	// Login returns the JSON message that logs a key in on the API's WebSocket, as one text
	// frame: see [Profile.Session], which sends it. Login is nil if the API has no such
	// login, or if it is not implemented here. The message is a credential: do not log it.
	// Errors wrap source.ErrUnusable. Login does not block and is safe for concurrent use.
	Login func(source.Key) ([]byte, error)
	// LoginVerdict says what a message of the WebSocket means for the key of Login: Passed
	// if the connection is logged in. ok is false if the message is not the answer to the
	// login. It does not block and is safe for concurrent use.
	LoginVerdict func(message []byte) (v transport.Verdict, ok bool)
	// OneConnection says that the API lets an account have one connection at a time: the
	// old connection ends before another logs in. Otherwise both are open for a moment.
	OneConnection bool
}

// Transport returns a transport with all settings of the profile, which takes keys from
// the ring. If the profile has Lockout, Transport also sets it in the ring. opts are
// applied after the profile's settings. Under an SDK this one line is enough:
//
//	sdk := stripe.NewBackendsWithConfig(&stripe.BackendConfig{
//		HTTPClient: &http.Client{Transport: provider.Stripe().Transport(keys, transport.WithOverride())}})
//
// Transport does not fail: if an argument is invalid, [transport.Transport.Err] and
// every request return the error.
func (p Profile) Transport(keys *ring.Ring, opts ...transport.Option) *transport.Transport {
	if p.Lockout {
		keys.Lockout()
	}
	var own []transport.Option
	if p.Classifier != nil {
		own = append(own, transport.WithClassifier(p.Classifier))
	}
	if len(p.Origins) > 0 {
		own = append(own, transport.WithOrigin(p.Origins...))
	}
	return transport.New(keys, p.Scheme, append(own, opts...)...)
}

// Reads reports whether a request only reads. It decides by the method and by the
// scheme's traits: Deribit places orders by GET. It is for a [transport.Rule] that
// sends such requests with a read-only key. Kraken, Gemini and Bitfinex read by POST:
// for these write a rule by path.
func (p Profile) Reads(req *http.Request) bool {
	if p.Scheme != nil {
		if effect := p.Scheme.Traits().NotIdempotent; effect != nil && effect(req) {
			return false
		}
	}
	return transport.Methods(http.MethodGet, http.MethodHead, http.MethodOptions)(req)
}
