package provider

import "github.com/rollingkeys/rollingkeys/transport"

// GitHub returns the profile of GitHub's API, with a token as a bearer token. A 403
// never refuses the key: after several bad tokens GitHub answers 403 to good ones too.
//
// https://docs.github.com/en/rest/authentication/authenticating-to-the-rest-api
func GitHub() Profile {
	p := Generic(transport.Bearer(), "https://api.github.com", "https://uploads.github.com")
	p.Name = "github"
	p.Lockout = true
	return p
}
