package transport

import (
	"encoding/base64"
	"fmt"
	"hash"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport/internal/header"
	"github.com/rollingkeys/rollingkeys/transport/internal/mac"
)

// A Scheme says how a key goes onto a request. Implementations are safe for
// concurrent use.
//
// A type that embeds a Scheme has its traits, and may change them:
//
//	type besides struct{ transport.Scheme }
//
//	func (b besides) Traits() transport.Traits {
//		traits := b.Scheme.Traits()
//		traits.Params = append(traits.Params, "key") // where clients put a key, too
//		return traits
//	}
type Scheme interface {
	// Prepare does once for each key version what need not be done for each
	// request: parse the PEM, decode the base64, build the header value. An
	// error keeps the key from ever becoming current; it must not hold the secret.
	Prepare(source.Key) (Signer, error)
	// Traits says what else there is to know of the scheme. It is called when a
	// transport is made, and is the same each time.
	Traits() Traits
}

// A Signer puts one key version on requests. It is safe for concurrent use.
type Signer interface {
	// Sign is called once for each attempt, so that each has its own time and
	// nonce. req is the transport's copy: Sign may assign entries of the header
	// map (never change a value slice in place), replace URL by a changed copy,
	// and give the request another body with [SetBody]. It must not read
	// req.Body: [Body] gives the bytes. An error ends the request before anything
	// is sent; it must not hold the secret.
	Sign(req *http.Request) error
}

// SchemeFunc is a function as a Scheme without traits.
type SchemeFunc func(source.Key) (Signer, error)

// Prepare calls f.
func (f SchemeFunc) Prepare(key source.Key) (Signer, error) { return f(key) }

// Traits returns the zero value.
func (SchemeFunc) Traits() Traits { return Traits{} }

// SignerFunc is a function as a Signer.
type SignerFunc func(*http.Request) error

// Sign calls f.
func (f SignerFunc) Sign(req *http.Request) error { return f(req) }

// Bearer sends "Authorization: Bearer SECRET" (RFC 6750 section 2.1).
func Bearer() Scheme { return HeaderPrefix("Authorization", "Bearer ") }

// Header sends the secret as the value of the named header, such as X-Api-Key.
func Header(name string) Scheme { return HeaderPrefix(name, "") }

// HeaderPrefix sends prefix and the secret as the value of the named header,
// e.g. HeaderPrefix("Authorization", "Token ").
func HeaderPrefix(name, prefix string) Scheme {
	return headerScheme{name, prefix, func(key source.Key) (string, error) {
		return prefix + key.Secret.Expose(), nil
	}}
}

// Basic sends ID and secret as HTTP Basic credentials (RFC 7617).
func Basic() Scheme {
	return headerScheme{"Authorization", "Basic ", func(key source.Key) (string, error) {
		if strings.Contains(key.ID, ":") {
			return "", fmt.Errorf("transport: %w: a user name for Basic has no colon", source.ErrUnusable)
		}
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(key.ID+":"+key.Secret.Expose())), nil
	}}
}

type headerScheme struct {
	name   string // as the caller spells it
	prefix string // ahead of the secret, or of what stands for it
	value  func(source.Key) (string, error)
}

func (s headerScheme) Traits() Traits { return Traits{Headers: []string{s.name}, Prefix: s.prefix} }

func (s headerScheme) Prepare(key source.Key) (Signer, error) {
	value, err := s.value(key)
	if err != nil {
		return nil, err
	}
	if !header.ValidName(s.name) || !header.ValidValue(value) || key.Secret.IsZero() {
		return nil, fmt.Errorf("transport: %w: no header can carry it", source.ErrUnusable)
	}
	// One prepared slice is shared among all requests; its capacity is its length,
	// so that nobody appends to it. A function holds it, where no verb reaches (F93).
	name, values := textproto.CanonicalMIMEHeaderKey(s.name), []string{value}
	return SignerFunc(func(req *http.Request) error {
		req.Header[name] = values
		return nil
	}), nil
}

// Query sends the secret as the named parameter of the URL's query. Prefer a
// header where the server takes one: URLs end up in servers' logs (RFC 6750
// section 2.3).
func Query(name string) Scheme { return queryScheme(name) }

type queryScheme string

func (s queryScheme) Traits() Traits { return Traits{Params: []string{string(s)}} }

func (s queryScheme) Prepare(key source.Key) (Signer, error) {
	if key.Secret.IsZero() || s == "" {
		return nil, fmt.Errorf("transport: %w: no secret, or no parameter name", source.ErrUnusable)
	}
	param := url.QueryEscape(string(s)) + "=" + url.QueryEscape(key.Secret.Expose())
	return SignerFunc(func(req *http.Request) error {
		u := *req.URL
		if u.RawQuery != "" {
			u.RawQuery += "&"
		}
		u.RawQuery += param
		req.URL = &u
		return nil
	}), nil
}

// HMAC returns a scheme whose sign function does the signing. mac computes the
// MAC of the parts, one after the other, under the key's secret, raw; a secret
// that is encoded, such as base64, is decoded by decode (nil: taken as it is).
func HMAC(newHash func() hash.Hash, decode func(string) ([]byte, error),
	sign func(req *http.Request, key source.Key, mac func(parts ...[]byte) []byte) error) Scheme {
	return SchemeFunc(func(key source.Key) (Signer, error) {
		m, err := mac.New(newHash, decode, key.Secret)
		if err != nil {
			return nil, fmt.Errorf("transport: %w", err)
		}
		sum := func(parts ...[]byte) []byte { return m.Append(nil, parts...) }
		return SignerFunc(func(req *http.Request) error { return sign(req, key, sum) }), nil
	})
}
