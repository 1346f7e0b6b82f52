package remote

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/rollingkeys/rollingkeys/source"
)

// auth puts the source's own credential on a request. The zero auth puts none.
type auth struct {
	header, prefix string
	secret         func(context.Context) (source.Secret, error)
	// drop, if it is not nil, forgets a secret that the endpoint refused, so that the next
	// call of secret returns another.
	drop func(source.Secret)
}

// WithHeader sends the newest usable key of from in the header name, such as
// "X-Vault-Token". It reads from for each request to the endpoint, so a credential in a file
// may rotate too. For a fixed credential use [source.Static]. The default is to send no
// credential. A second option that sends one makes [New] fail.
func WithHeader(name string, from source.Source) Option {
	return func(c *config) { c.setAuth(name, "", from) }
}

// WithBearer is [WithHeader] for "Authorization: Bearer" (RFC 6750 section 2.1).
func WithBearer(from source.Source) Option {
	return func(c *config) { c.setAuth("Authorization", "Bearer ", from) }
}

func (c *config) setAuth(header, prefix string, from source.Source) {
	switch {
	case !isToken(header):
		c.errs = append(c.errs, errors.New("the name of the header is not a token of RFC 9110"))
	case from == nil:
		c.errs = append(c.errs, errors.New("the source of the header is nil"))
	}
	c.authorizeBy(func(*http.Client) (auth, error) {
		return auth{header: header, prefix: prefix, secret: func(ctx context.Context) (source.Secret, error) {
			key, err := usable(ctx, from)
			return key.Secret, err
		}}, nil
	})
}

func (c *config) authorizeBy(make func(*http.Client) (auth, error)) {
	if c.auth != nil {
		c.errs = append(c.errs, errors.New("more than one of WithHeader, WithBearer and WithClientCredentials"))
	}
	c.auth = make
}

// authorize sets the header and returns the secret that it contains.
func (a auth) authorize(ctx context.Context, h http.Header) (source.Secret, error) {
	if a.secret == nil {
		return source.Secret{}, nil
	}
	secret, err := a.secret(ctx)
	if err != nil {
		return source.Secret{}, fmt.Errorf("the credential for the endpoint: %w", err)
	}
	value := a.prefix + secret.Expose()
	if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }) {
		return source.Secret{}, fmt.Errorf("the credential for the endpoint: %w: a header cannot carry it", source.ErrInvalid) // F19
	}
	h.Set(a.header, value)
	return secret, nil
}

// isToken reports whether s is a token of RFC 9110 section 5.6.2.
func isToken(s string) bool {
	return s != "" && strings.Trim(s, "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") == ""
}
