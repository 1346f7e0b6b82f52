package provider

import (
	"bytes"
	"net/http"

	"github.com/rollingkeys/rollingkeys/transport"
)

// Google returns the profile of a Google API with an API key in X-Goog-Api-Key. Each
// Google API has its own origins. A 400 refuses the key if its details give the reason
// API_KEY_INVALID. Google also takes a key in the parameter "key": such a key counts as
// a credential of the request.
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

// googleScheme adds the other place where a client may put its key.
type googleScheme struct{ transport.Scheme }

func (s googleScheme) Traits() transport.Traits {
	traits := s.Scheme.Traits()
	traits.Params = append(traits.Params, "key")
	return traits
}
