package provider

import (
	"net/http"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
)

// A Profile is what there is to know about one API's keys. The functions of
// this package return one each; it is a plain value, so that a caller may change
// any field of his copy, such as Origins for a test network.
type Profile struct {
	// Name is the API's name in lower case, such as "kraken".
	Name string
	// Scheme puts a key on a request. It is required.
	Scheme transport.Scheme
	// Classifier says which answers refuse the key; nil means transport.RFC6750.
	Classifier transport.Classifier
	// Origins are the scheme, host and port that the key may go to, such as
	// "https://api.kraken.com". Empty means that the caller has to name them.
	Origins []string
	// Lockout says that the API shuts out an account or an address after
	// repeated bad keys, so that a client should answer by itself while every
	// key is refused.
	Lockout bool
	// Slow says that answers may take minutes, and streams longer, as those of
	// language models do: see client.WithTimeout for what follows.
	Slow bool
	// Login returns the message, JSON, that signs a key in on the API's
	// WebSocket: send it as one text frame, anew on each connection, and again
	// when the key switches. It is nil where the API has no such login, or
	// none that is known here. The message is a credential: do not log it. Errors
	// wrap source.ErrUnusable. It does not block and is safe for concurrent use.
	Login func(source.Key) ([]byte, error)
}

// Transport returns a transport with all that the profile knows, lockout included,
// which draws keys from ring. Options come after the profile's own. Under an SDK it
// is the one line:
//
//	sdk := stripe.NewBackendsWithConfig(&stripe.BackendConfig{
//		HTTPClient: &http.Client{Transport: provider.Stripe().Transport(keys, transport.WithOverride())}})
//
// It never fails: what is wrong, every request says, and Transport.Err.
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

// Reads reports whether a request only reads, by its method and by what the
// scheme knows of it: Deribit places orders by GET. It is for [transport.Rule],
// which sends such requests with a read-only key. APIs that read by POST, as
// Kraken, Gemini and Bitfinex do, want a rule by path.
func (p Profile) Reads(req *http.Request) bool {
	if p.Scheme != nil {
		if effect := p.Scheme.Traits().NotIdempotent; effect != nil && effect(req) {
			return false
		}
	}
	return transport.Methods(http.MethodGet, http.MethodHead, http.MethodOptions)(req)
}
