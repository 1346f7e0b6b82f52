package provider

import (
	"bytes"
	"fmt"
	"hash"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"sync/atomic"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/internal/clock"
	"github.com/rollingkeys/rollingkeys/transport/internal/header"
	"github.com/rollingkeys/rollingkeys/transport/internal/query"
)

// A Signing describes how an API wants its requests signed: a message made of parts, a
// signature over the message, and headers that carry the result.
//
// Each attempt runs Before, Message, the signature, After and Headers, in this order.
// Do not change a Signing after a call of [Signing.Profile].
type Signing struct {
	// Name is the API's name in lower case. Error texts contain it. Schemes with the
	// same name share the nonces of a key id.
	Name string
	// Hash is the hash of the HMAC, such as sha256.New. Nil: the API takes private keys
	// only.
	Hash func() hash.Hash
	// Decode decodes the text of a secret into the HMAC's key, e.g.
	// base64.StdEncoding.DecodeString. Nil: the key is the text itself.
	Decode func(string) ([]byte, error)
	// Encode appends the HMAC to dst as text, e.g. hex.AppendEncode. Signatures of
	// private keys are always in standard base64.
	Encode func(dst, sum []byte) []byte
	// RSA, RSAPSS, Ed25519 and ES256 say which private keys the API takes. RSA keys
	// sign with SHA-256, and with PSS and a salt of 32 bytes if RSAPSS is set, else
	// with PKCS #1 v1.5. ES256 is ECDSA on P-256 with SHA-256; the signature is r and s
	// of 32 bytes each (RFC 7518 section 3.4). A private key is in PEM, in each form that
	// source.PEM accepts: PKCS #8, PKCS #1 for RSA, or SEC 1 for ECDSA. If Hash is nil, an
	// Ed25519 key may also be 32 or 64 bytes in base64, or PKCS #8 in base64.
	RSA, RSAPSS, Ed25519, ES256 bool
	// Extra names the entries of source.Key.Extra that a key must have, such as
	// "passphrase".
	Extra []string
	// NonceUnit is the unit of time that [Nonce] counts. Default: microseconds.
	NonceUnit time.Duration

	// Traits are the traits of the scheme. The names of the Headers below are added to
	// Traits.Headers. If Strip is nil, the scheme removes what Replaces names.
	// [LearnClock] sets Resync.
	Traits transport.Traits
	// Replaces names what the API's own client adds when it signs, besides the Headers:
	// parameters of the query, and fields of the form or of the JSON object in the
	// body. With transport.WithOverride they are removed, so that the scheme adds its
	// own. Otherwise the scheme keeps those that the caller sets.
	Replaces []string
	// Before may change the request before it is signed, by the methods of Call. Nil:
	// no change.
	Before func(*Call) error
	// Message lists the parts of the string to sign, which are concatenated. If it is
	// empty, only [Signed] and [JWT] make signatures.
	Message []Part
	// After may change the request once the signature is known. Nil: no change.
	After func(*Call) error
	// Headers are set on the request. Their values may use [Signature].
	Headers []Header
	// Login returns the message for [Profile.Login]. Its Call has an empty request, but
	// a time, a nonce and signatures like any attempt. Nil: the API has no login.
	Login func(*Call) ([]byte, error)
}

// A Header is one header of a signed request.
type Header struct {
	Name  string
	Value Part
}

// Profile returns a profile with the API's name, its login, and a scheme that signs as
// s says. The caller sets the other fields. A nil Option is ignored.
//
// The scheme calls a key unusable, so that it never becomes current, if it lacks an ID
// or a required extra, if one of these, or a secret that is sent in a header, has
// characters that a header cannot carry, if its secret cannot be decoded, or if its
// private key is of a kind that the API does not take. The error wraps source.ErrUnusable. If the scheme signs the body and the
// body cannot be read twice, the request fails with an error that wraps
// transport.ErrBody.
func (s Signing) Profile(opts ...Option) Profile {
	d := newScheme(s, opts)
	p := Profile{Name: s.Name, Scheme: d}
	if s.Login != nil {
		p.Login = d.login
	}
	return p
}

type scheme struct {
	Signing
	config
	clock clock.Clock
	names []string // canonical names of Headers
}

func newScheme(s Signing, opts []Option) *scheme {
	d := &scheme{Signing: s, config: config{now: time.Now, nonceUnit: s.NonceUnit}}
	if d.nonceUnit <= 0 {
		d.nonceUnit = time.Microsecond
	}
	for _, opt := range opts {
		if opt != nil { // F125
			opt(&d.config)
		}
	}
	d.Headers = slices.Concat(d.Headers, d.config.headers)
	d.clock.Local, d.clock.Least = d.config.now, minMove
	for _, h := range d.Headers {
		d.names = append(d.names, textproto.CanonicalMIMEHeaderKey(h.Name))
	}
	return d
}

func (d *scheme) Prepare(key source.Key) (transport.Signer, error) {
	s, err := d.prepare(key)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Traits returns the traits of the description, completed from its other fields.
func (d *scheme) Traits() transport.Traits {
	traits := d.Signing.Traits
	traits.Headers, traits.Params, traits.Fields = slices.Clone(traits.Headers), slices.Clone(traits.Params), slices.Clone(traits.Fields)
	for _, h := range d.Headers {
		traits.Headers = append(traits.Headers, h.Name)
	}
	traits.NeedsKey, traits.NotIdempotent = onPath(traits.NeedsKey), onPath(traits.NotIdempotent)
	traits.Sequential = traits.Sequential && !d.nonceWindow && !d.timeNonce
	if traits.Strip == nil && len(d.Replaces) > 0 {
		traits.Strip = d.strip
	}
	if d.learn {
		traits.Resync = d.resync
	}
	return traits
}

// strip removes what the API's own client has added.
func (d *scheme) strip(req *http.Request) error {
	names := d.Replaces
	if q := req.URL.RawQuery; q != "" {
		u := *req.URL
		u.RawQuery = query.Without(q, names...)
		req.URL = &u
	}
	body, err := transport.Body(req)
	if err != nil || len(body) == 0 {
		return err
	}
	rest := body
	switch {
	case isObject(body):
		rest = withoutFields(body, names)
	case isForm(req):
		rest = []byte(query.Without(string(body), names...))
	}
	if !bytes.Equal(rest, body) {
		transport.SetBody(req, rest)
	}
	return nil
}

// A signer signs with one version. Its secrets are in functions and in source.Secret,
// so that fmt cannot print them (F93).
type signer struct {
	algorithm
	d      *scheme
	id     string
	secret source.Secret
	extra  map[string]source.Secret
	nonces *counter
	kept   []atomic.Pointer[[]string] // for each header its value at the first attempt
}

func (d *scheme) prepare(key source.Key) (*signer, error) {
	fail := func(err error) (*signer, error) { return nil, fmt.Errorf("provider: %s: %w", d.Name, err) }
	if !visible(key.ID) {
		return fail(unusable("the key's id is empty or not visible ASCII"))
	}
	for _, name := range d.Extra {
		if !header.ValidValue(key.Extra[name].Expose()) { // F153: a passphrase may have spaces
			return fail(unusable("the key's " + name + " is missing, or a header cannot carry it: want visible ASCII and spaces"))
		}
	}
	a, err := d.algorithm(key.Secret)
	if err != nil {
		return fail(err)
	}
	s := &signer{algorithm: a, d: d, id: key.ID, secret: key.Secret, extra: key.Clone().Extra, nonces: counterFor(d.Name, key.ID),
		kept: make([]atomic.Pointer[[]string], len(d.Headers))}
	if !visible(key.Secret.Expose()) { // a private key is not, and no header shows it
		c := newCall(s, &http.Request{URL: &url.URL{}, Header: http.Header{}})
		defer c.release()
		if c.showsSecret() {
			return fail(unusable("the key's secret is not visible ASCII, as a header must be"))
		}
	}
	return s, nil
}

func (s *signer) Sign(req *http.Request) error {
	c := newCall(s, req)
	defer c.release()
	if err := c.sign(); err != nil {
		return fmt.Errorf("provider: %s: %w", s.d.Name, err)
	}
	return nil
}

// login implements Profile.Login.
func (d *scheme) login(key source.Key) ([]byte, error) {
	s, err := d.prepare(key)
	if err != nil {
		return nil, err
	}
	c := newCall(s, &http.Request{URL: &url.URL{}, Header: http.Header{}})
	defer c.release()
	message, err := d.Login(c)
	if c.Fail(err); c.err != nil {
		return nil, fmt.Errorf("provider: %s: %w", d.Name, c.err)
	}
	return message, nil
}

// visible reports whether s is not empty and only visible ASCII.
func visible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != ""
}
