package provider

import "github.com/rollingkeys/rollingkeys/transport"

// Anthropic sends the key in x-api-key. The anthropic-version header is the
// caller's. authentication_error is a 401; permission_error, a 403, and
// overloaded_error, a 529, are not about the key. Completions are slow.
//
// A bearer token is a credential of the request's own too: version 2 of the Go SDK
// sends its API key as one.
//
// https://docs.anthropic.com/en/api/errors
func Anthropic() Profile {
	p := Generic(anthropicScheme{transport.Header("x-api-key")}, "https://api.anthropic.com")
	p.Name = "anthropic"
	p.Slow = true
	return p
}

// anthropicScheme knows the header that a client may have its key in besides.
type anthropicScheme struct{ transport.Scheme }

func (s anthropicScheme) Traits() transport.Traits {
	traits := s.Scheme.Traits()
	traits.Headers = append(traits.Headers, "Authorization")
	return traits
}
