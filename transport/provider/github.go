package provider

import "github.com/rollingkeys/rollingkeys/transport"

// GitHub sends a token as a bearer token. A 403 is never taken for a refusal of
// the key: after several bad ones GitHub answers it to good ones too.
//
// https://docs.github.com/en/rest/authentication/authenticating-to-the-rest-api
func GitHub() Profile {
	p := Generic(transport.Bearer(), "https://api.github.com", "https://uploads.github.com")
	p.Name = "github"
	p.Lockout = true
	return p
}
