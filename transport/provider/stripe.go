package provider

import (
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport"
)

// Stripe returns the profile of Stripe's API, with the secret key as a bearer token. An
// expired key (api_key_expired) is refused with 401 like any other.
//
// https://docs.stripe.com/api/authentication
func Stripe() Profile {
	p := Generic(transport.Bearer(), "https://api.stripe.com", "https://files.stripe.com")
	p.Name = "stripe"
	return p
}

// StripeBasic is [Stripe] with the key as the user name of HTTP Basic credentials, with
// an empty password. Stripe takes both.
func StripeBasic() Profile {
	p := Stripe()
	p.Scheme = userName{transport.HeaderPrefix("Authorization", "Basic ")}
	return p
}

// userName is a scheme that sends a key's secret as the user name, with an empty
// password.
type userName struct{ transport.Scheme }

func (u userName) Prepare(key source.Key) (transport.Signer, error) {
	if key.Secret.IsZero() || strings.Contains(key.Secret.Expose(), ":") {
		return nil, fmt.Errorf("provider: stripe: %w: its secret is empty or has a colon", source.ErrUnusable)
	}
	token := base64.StdEncoding.EncodeToString([]byte(key.Secret.Expose() + ":"))
	return u.Scheme.Prepare(source.Key{Secret: source.NewSecret(token)})
}
