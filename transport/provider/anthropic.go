package provider

import "github.com/rollingkeys/rollingkeys/transport"

// Anthropic sends the key in x-api-key. The anthropic-version header is the
// caller's. authentication_error is a 401; permission_error, a 403, and
// overloaded_error, a 529, are not about the key. Completions are slow.
//
// https://docs.anthropic.com/en/api/errors
func Anthropic() Profile {
	p := plain("anthropic", transport.Header("x-api-key"), "https://api.anthropic.com")
	p.Slow = true
	return p
}
