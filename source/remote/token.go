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
	tokenTimeout = 10 * time.Second // of one request for a token
	tokenEarly   = 10 * time.Second // before its expiry a token is replaced
)

// ClientCredentials is how to get a token with the client credentials grant
// (RFC 6749 section 4.4). All but Scopes and Params is required.
type ClientCredentials struct {
	// TokenURL is the token endpoint: https, or http to a loopback address.
	TokenURL string
	// AuthStyle is oauth2.AuthStyleInHeader (what RFC 6749 section 2.3.1 asks
	// every server to take) or oauth2.AuthStyleInParams. There is no detection:
	// trying both shows the secret twice, and counts as a failed login (F87).
	AuthStyle oauth2.AuthStyle
	// Client has the client's id and secret in its newest key's ID and Secret.
	// It is read for each new token.
	Client source.Source
	// Scopes are asked for. Default: what the server gives unasked.
	Scopes []string
	// Params are further parameters, e.g. "audience".
	Params url.Values
}

// WithClientCredentials sends a bearer token from an OAuth 2 token endpoint. A
// token is used until 10 s before it expires or until the endpoint answers 401;
// then the source gets another and tries once more (F88). One request for a
// token serves all readings that wait for it; it takes at most 10 s, and ends
// when nobody waits any more.
func WithClientCredentials(cc ClientCredentials) Option {
	return func(c *config) {
		c.authorizeBy(func(client *http.Client) (auth, error) {
			if err := checkURL(cc.TokenURL); err != nil {
				return auth{}, fmt.Errorf("token endpoint: %w", err)
			}
			if cc.AuthStyle != oauth2.AuthStyleInHeader && cc.AuthStyle != oauth2.AuthStyleInParams {
				return auth{}, errors.New("client credentials need an explicit AuthStyle")
			}
			if cc.Client == nil {
				return auth{}, errors.New("client credentials need a Client")
			}
			t := &tokens{conf: cc, client: client}
			t.fresh = oauth.Fetch(t.fetch)
			return auth{header: "Authorization", prefix: "Bearer ", secret: t.get, drop: t.drop}, nil
		})
	}
}

// tokens keeps one token.
type tokens struct {
	conf   ClientCredentials
	client *http.Client
	fresh  source.Source // a new token at each reading, shared by those who wait

	mu    sync.Mutex
	token source.Key
}

// get returns a token that is good for now. It never waits longer than ctx
// lives, whatever the token endpoint does (F87).
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

// drop forgets token, unless another has taken its place already.
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
		return nil, &source.Error{Source: source.Redact(t.conf.TokenURL), Err: fmt.Errorf("its client: %w", err)}
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
