package remote

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/oauth"
)

const (
	tokenTimeout = 10 * time.Second // for one request for a token
	tokenEarly   = 10 * time.Second // how long before its expiry a token is replaced
)

// ClientCredentials says how to get a token with the client credentials grant (RFC 6749
// section 4.4). All fields except Scopes and Params are required.
type ClientCredentials struct {
	// TokenURL is the token endpoint: https, or http to a loopback address.
	TokenURL string
	// AuthStyle is oauth2.AuthStyleInHeader, which RFC 6749 section 2.3.1 requires every
	// server to support, or oauth2.AuthStyleInParams. There is no automatic detection: to try
	// both would send the secret twice and cause a failed login.
	AuthStyle oauth2.AuthStyle
	// Client lists the client's credential: the ID and Secret of its newest usable key. It is
	// read for each new token.
	Client source.Source
	// Scopes are the scopes to request. If there are none, the server chooses.
	Scopes []string
	// Params are further parameters of the request, such as "audience".
	Params url.Values
}

// WithClientCredentials sends a bearer token from an OAuth 2 token endpoint. The source uses a
// token until 10 s before it expires. If the endpoint answers 401, the source gets another token
// and tries once more. One request for a token serves all readings that wait for it. It
// takes 10 s at most, and is cancelled when no reading waits for it any more.
func WithClientCredentials(cc ClientCredentials) Option {
	return func(c *config) {
		c.authorizeBy(func(client *http.Client) (auth, error) {
			if err := checkURL(cc.TokenURL); err != nil {
				return auth{}, fmt.Errorf("token endpoint: %w", err)
			}
			if cc.AuthStyle != oauth2.AuthStyleInHeader && cc.AuthStyle != oauth2.AuthStyleInParams {
				return auth{}, errors.New("ClientCredentials: AuthStyle must be oauth2.AuthStyleInHeader or oauth2.AuthStyleInParams")
			}
			if cc.Client == nil {
				return auth{}, errors.New("ClientCredentials: Client is nil")
			}
			t := &tokens{conf: cc, client: client}
			t.fresh = oauth.Fetch(t.fetch)
			return auth{header: "Authorization", prefix: "Bearer ", secret: t.get, drop: t.drop}, nil
		})
	}
}

// tokens has the current token.
type tokens struct {
	conf   ClientCredentials
	client *http.Client
	fresh  source.Source // a new token at each reading; concurrent readings share it

	mu    sync.Mutex
	token source.Key
}

// get returns a token that has not expired. It returns when ctx ends, even if the token endpoint
// hangs (F87).
func (t *tokens) get(ctx context.Context) (source.Secret, error) {
	t.mu.Lock()
	token := t.token
	t.mu.Unlock()
	if !token.Secret.IsZero() && (token.ExpiresAt.IsZero() || time.Until(token.ExpiresAt) > tokenEarly) {
		return token.Secret, nil
	}
	token, err := usable(ctx, t.fresh)
	if err != nil {
		return source.Secret{}, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.token = token
	return token.Secret, nil
}

// drop forgets token, unless it has been replaced already.
func (t *tokens) drop(token source.Secret) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.token.Secret.Equal(token) {
		t.token = source.Key{}
	}
}

func (t *tokens) fetch(ctx context.Context) (*oauth2.Token, error) {
	ctx, cancel := context.WithTimeout(ctx, tokenTimeout)
	defer cancel()
	key, err := usable(ctx, t.conf.Client)
	if err != nil {
		return nil, &source.Error{Source: source.Redact(t.conf.TokenURL), Err: fmt.Errorf("the client's credential: %w", err)}
	}
	conf := clientcredentials.Config{
		ClientID: key.ID, ClientSecret: key.Secret.Expose(),
		TokenURL: t.conf.TokenURL, AuthStyle: t.conf.AuthStyle,
		Scopes: t.conf.Scopes, EndpointParams: t.conf.Params,
	}
	return conf.Token(context.WithValue(ctx, oauth2.HTTPClient, t.client)) // F89: not http.DefaultClient
}

// usable returns the newest key of src that may be used now.
func usable(ctx context.Context, src source.Source) (source.Key, error) {
	set, err := src.Read(ctx)
	if err != nil {
		return source.Key{}, err
	}
	now := time.Now()
	for _, k := range set.Keys {
		if !k.Secret.IsZero() && !now.Before(k.NotBefore) && (k.ExpiresAt.IsZero() || now.Before(k.ExpiresAt)) {
			return k, nil
		}
	}
	return source.Key{}, source.ErrNoKey
}
