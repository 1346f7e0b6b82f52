package provider

import (
	"bytes"
	"net/http"

	"github.com/rollingkeys/rollingkeys/transport"
)

// Google sends an API key in X-Goog-Api-Key to the given origins, as each Google
// API has its own. A 400 refuses the key if its details give the reason
// API_KEY_INVALID. A key in the parameter "key", where Google takes one too, is a
// credential of the request's own.
//
// https://cloud.google.com/docs/authentication/api-keys-use
func Google(origins ...string) Profile {
	p := Generic(googleScheme{transport.Header("X-Goog-Api-Key")}, origins...)
	p.Name = "google"
	p.Classifier = func(a *transport.Answer) transport.Verdict {
		if a.Status == http.StatusBadRequest && bytes.Contains(a.Body(), []byte(`"API_KEY_INVALID"`)) {
			return transport.RefusedUnapplied
		}
		return transport.RFC6750(a)
	}
	return p
}

// googleScheme knows where a client may have its key besides.
type googleScheme struct{ transport.Scheme }

func (s googleScheme) Traits() transport.Traits {
	traits := s.Scheme.Traits()
	traits.Params = append(traits.Params, "key")
	return traits
}
