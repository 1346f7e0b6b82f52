package provider

import "github.com/rollingkeys/rollingkeys/transport"

// Anthropic returns the profile of Anthropic's API, with the key in x-api-key. The
// caller sets the anthropic-version header. authentication_error has status 401 and
// refuses the key. permission_error (403) and overloaded_error (529) are not about the
// key. Completions are slow.
//
// A bearer token also counts as a credential of the request: version 2 of the Go SDK
// sends its API key as one.
//
// https://docs.anthropic.com/en/api/errors
func Anthropic() Profile {
	p := Generic(anthropicScheme{transport.Header("x-api-key")}, "https://api.anthropic.com")
	p.Name = "anthropic"
	p.Slow = true
	return p
}

// anthropicScheme adds the other header in which a client may send its key.
type anthropicScheme struct{ transport.Scheme }

func (s anthropicScheme) Traits() transport.Traits {
	traits := s.Scheme.Traits()
	traits.Headers = append(traits.Headers, "Authorization")
	return traits
}
