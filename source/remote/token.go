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
			if _, err := checkURL(cc.TokenURL); err != nil {
				return auth{}, fmt.Errorf("token endpoint: %w", err)
			}
			if cc.AuthStyle != oauth2.AuthStyleInHeader && cc.AuthStyle != oauth2.AuthStyleInParams {
				return auth{}, errors.New("client credentials need an explicit AuthStyle")
			}
			if cc.Client == nil {
				return auth{}, errors.New("client credentials need a Client")
			}
			t := &tokens{conf: cc, client: client}
			return auth{header: "Authorization", prefix: "Bearer ", secret: t.get, drop: t.drop}, nil
		})
	}
}

// tokens keeps one token.
type tokens struct {
	conf   ClientCredentials
	client *http.Client

	mu      sync.Mutex
	token   source.Secret
	expires time.Time // zero: nobody knows
	flight  *flight   // nil if no request is under way
}

// flight is one request for a token and those who wait for it.
type flight struct {
	cancel  context.CancelFunc
	waiting int // under tokens.mu
	done    chan struct{}
	token   source.Secret // these two once done is closed
	err     error
}

// get returns a token that is good for now. It never waits longer than ctx
// lives, whatever the token endpoint does (F87).
func (t *tokens) get(ctx context.Context) (source.Secret, error) {
	t.mu.Lock()
	if !t.token.IsZero() && (t.expires.IsZero() || time.Until(t.expires) > tokenEarly) {
		defer t.mu.Unlock()
		return t.token, nil
	}
	f := t.flight
	if f == nil {
		// F86: no caller's context; the first caller may leave, and others stay.
		background, cancel := context.WithTimeout(context.Background(), tokenTimeout)
		f = &flight{cancel: cancel, done: make(chan struct{})}
		t.flight = f
		go t.fly(background, f)
	}
	f.waiting++
	t.mu.Unlock()

	select {
	case <-f.done:
		return f.token, f.err
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if f.waiting--; f.waiting == 0 {
		f.cancel() // F104
		if t.flight == f {
			t.flight = nil
		}
	}
	return source.Secret{}, fmt.Errorf("%w: no token in time: %w", source.ErrUnavailable, ctx.Err())
}

func (t *tokens) fly(ctx context.Context, f *flight) {
	defer f.cancel()
	token, err := t.ask(ctx)
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		f.err = err
	} else {
		f.token = source.NewSecret(token.AccessToken)
		t.token, t.expires = f.token, token.Expiry
	}
	if t.flight == f {
		t.flight = nil
	}
	close(f.done)
}

// drop forgets token, unless another has taken its place already.
func (t *tokens) drop(token source.Secret) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.token.Equal(token) {
		t.token = source.Secret{}
	}
}

func (t *tokens) ask(ctx context.Context) (*oauth2.Token, error) {
	key, err := usable(ctx, t.conf.Client)
	if err != nil {
		return nil, err
	}
	conf := clientcredentials.Config{
		ClientID: key.ID, ClientSecret: key.Secret.Expose(),
		TokenURL: t.conf.TokenURL, AuthStyle: t.conf.AuthStyle,
		Scopes: t.conf.Scopes, EndpointParams: t.conf.Params,
	}
	token, err := conf.Token(context.WithValue(ctx, oauth2.HTTPClient, t.client)) // F89
	if err != nil {
		return nil, t.explain(ctx, err)
	}
	return token, nil
}

// explain says why there is no token. The error of x/oauth2 holds the answer's
// body, and that may hold anything.
func (t *tokens) explain(ctx context.Context, err error) error {
	failed := &source.Error{Source: source.Redact(t.conf.TokenURL)}
	refused, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok {
		failed.Err = explain(ctx, err)
		return failed
	}
	failed.RetryAfter = retryAfter(refused.Response.Header, time.Now())
	code := refused.Response.StatusCode
	switch refused.ErrorCode { // RFC 6749 section 5.2; other text is the server's own
	case "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope":
		failed.Err = fmt.Errorf("%w: %s", source.ErrDenied, refused.ErrorCode)
	default:
		failed.Err = statusError(code)
		if code >= 200 && code < 300 {
			failed.Err = fmt.Errorf("%w: no token in the answer", source.ErrUnavailable)
		}
	}
	return failed
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
