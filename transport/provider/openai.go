package provider

import (
	"bytes"
	"net/http"

	"github.com/rollingkeys/rollingkeys/transport"
)

// OpenAI returns the profile of OpenAI's API, with the key as a bearer token. A 401
// refuses the key, unless the body says that the address or the organization is the
// reason. Completions are slow.
//
// https://platform.openai.com/docs/guides/error-codes
func OpenAI() Profile {
	p := Generic(transport.Bearer(), "https://api.openai.com")
	p.Name = "openai"
	p.Slow = true
	p.Classifier = func(a *transport.Answer) transport.Verdict {
		if a.Status == http.StatusUnauthorized {
			body := bytes.ToLower(a.Body())
			for _, text := range []string{"ip not authorized", "ip_not_authorized", "must be a member of an organization"} {
				if bytes.Contains(body, []byte(text)) {
					return transport.Inconclusive
				}
			}
		}
		return transport.RFC6750(a)
	}
	return p
}
