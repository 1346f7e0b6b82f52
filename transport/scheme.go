package transport

import (
	"encoding/base64"
	"fmt"
	"hash"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
	"unicode"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport/internal/header"
	"github.com/rollingkeys/rollingkeys/transport/internal/mac"
)

// A Scheme says how a key goes onto a request. Implementations must be safe for
// concurrent use.
//
// A type that embeds a Scheme has its traits, and may change them:
//
//	type besides struct{ transport.Scheme }
//
//	func (b besides) Traits() transport.Traits {
//		traits := b.Scheme.Traits()
//		traits.Params = append(traits.Params, "key") // clients put a key there too
//		return traits
//	}
type Scheme interface {
	// Prepare does the work that is needed once for each version of a key: parse the
	// PEM, decode the base64, build the value of a header. A key for which it returns
	// an error never becomes current. The error must not contain the secret.
	Prepare(source.Key) (Signer, error)
	// Traits returns what else the transport must know about the scheme. It is called
	// when a transport is made, and must always return the same.
	Traits() Traits
}

// A Signer puts one version of a key on requests. Implementations must be safe for
// concurrent use.
type Signer interface {
	// Sign is called once for each attempt, so that each attempt has its own time and
	// nonce. req is the transport's copy. Sign may assign entries of the header map,
	// replace URL by a changed copy, and set another body by [SetBody]. It must not
	// change a slice of header values in place. It must not read req.Body: [Body]
	// returns the bytes. If Sign returns an error, the request fails and nothing is
	// sent. The error must not contain the secret.
	Sign(req *http.Request) error
}

// SchemeFunc is a function that serves as a Scheme without traits.
type SchemeFunc func(source.Key) (Signer, error)

// Prepare calls f.
func (f SchemeFunc) Prepare(key source.Key) (Signer, error) { return f(key) }

// Traits returns the zero value: every request needs a key, and no credential is looked
// for.
func (SchemeFunc) Traits() Traits { return Traits{} }

// SignerFunc is a function that serves as a Signer.
type SignerFunc func(*http.Request) error

// Sign calls f.
func (f SignerFunc) Sign(req *http.Request) error { return f(req) }

// Bearer returns a scheme that sends "Authorization: Bearer SECRET" (RFC 6750 section
// 2.1).
func Bearer() Scheme { return HeaderPrefix("Authorization", "Bearer ") }

// Header returns a scheme that sends the secret as the value of the named header, such
// as X-Api-Key.
func Header(name string) Scheme { return HeaderPrefix(name, "") }

// HeaderPrefix returns a scheme that sends prefix and the secret as the value of the
// named header, e.g. HeaderPrefix("Authorization", "Token "). A key is unusable if a
// header cannot carry the value, or if its secret has a space and prefix ends with one:
// what follows the name of an authentication scheme is one word (RFC 9110 section 11.4).
func HeaderPrefix(name, prefix string) Scheme {
	return headerScheme{name, prefix, func(key source.Key) (string, error) {
		if strings.HasSuffix(prefix, " ") && strings.Contains(key.Secret.Expose(), " ") {
			return "", fmt.Errorf("transport: %w: its secret has a space: after %q want one word", source.ErrUnusable, prefix)
		}
		return prefix + key.Secret.Expose(), nil
	}}
}

// Basic returns a scheme that sends the key's ID and Secret as HTTP Basic credentials
// (RFC 7617), in UTF-8. A key is unusable if its ID has a colon, or if one of the two has
// a control character, as a private key in PEM does.
func Basic() Scheme {
	return headerScheme{"Authorization", "Basic ", func(key source.Key) (string, error) {
		if strings.Contains(key.ID, ":") {
			return "", fmt.Errorf("transport: %w: Basic: the key's ID has a colon, which a user name must not have", source.ErrUnusable)
		}
		if strings.ContainsFunc(key.ID+key.Secret.Expose(), unicode.IsControl) { // F153
			return "", fmt.Errorf("transport: %w: Basic: the key's ID or secret has a control character", source.ErrUnusable)
		}
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(key.ID+":"+key.Secret.Expose())), nil
	}}
}

type headerScheme struct {
	name   string // as the caller spells it
	prefix string // the text before the credential
	value  func(source.Key) (string, error)
}

func (s headerScheme) Traits() Traits { return Traits{Headers: []string{s.name}, Prefix: s.prefix} }

func (s headerScheme) Prepare(key source.Key) (Signer, error) {
	value, err := s.value(key)
	if err != nil {
		return nil, err
	}
	if !header.ValidName(s.name) || !header.ValidValue(value) || key.Secret.IsZero() {
		return nil, fmt.Errorf("transport: %w: a header cannot carry it: want a valid name, and a secret of visible ASCII", source.ErrUnusable)
	}
	// All requests share this slice. Its capacity is its length, so an append copies. It is
	// in a function, where fmt cannot print it (F93).
	name, values := textproto.CanonicalMIMEHeaderKey(s.name), []string{value}
	return SignerFunc(func(req *http.Request) error {
		req.Header[name] = values
		return nil
	}), nil
}

// Query returns a scheme that sends the secret as the named parameter of the URL's
// query. If the server also takes a header, use that: servers log URLs (RFC 6750
// section 2.3). A key is unusable if its secret has a control character, as a private key
// in PEM does.
//
// The transport removes the key from headers of the answer that repeat the URL, such as
// Location and Link. It does not search the body.
func Query(name string) Scheme { return queryScheme(name) }

type queryScheme string

func (s queryScheme) Traits() Traits { return Traits{Params: []string{string(s)}} }

func (s queryScheme) Prepare(key source.Key) (Signer, error) {
	if key.Secret.IsZero() || s == "" {
		return nil, fmt.Errorf("transport: %w: Query: the key has no secret, or the parameter has no name", source.ErrUnusable)
	}
	if strings.ContainsFunc(key.Secret.Expose(), unicode.IsControl) { // F144
		return nil, fmt.Errorf("transport: %w: Query: the key's secret has a control character", source.ErrUnusable)
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

// HMAC returns a scheme whose sign function signs each attempt. sign calls mac, which
// returns the HMAC of the concatenated parts, not encoded. The HMAC's key is what
// decode returns for the key's secret, such as the bytes of a base64 text; if decode is
// nil, it is the secret's bytes, and a private key in PEM is unusable. sign must be safe for
// concurrent use.
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
