package provider

import (
	"bytes"
	"fmt"
	"hash"
	"net/http"
	"net/textproto"
	"slices"
	"sync/atomic"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/internal/mac"
	"github.com/rollingkeys/rollingkeys/transport/internal/query"
)

// A Signing describes how an API wants its requests signed: a message made of
// parts, a MAC over it, and headers that carry the result.
//
// For each attempt, Before, Message, the MAC, After and Headers come in
// this order. Nothing of a Signing may be changed once [Signing.Scheme] was called.
type Signing struct {
	// Name is the API's name. It stands in errors, and APIs of one name share
	// the nonces of a key.
	Name string
	// Hash is the HMAC's hash, such as sha256.New.
	Hash func() hash.Hash
	// Decode turns a secret's text into the HMAC's key, e.g.
	// base64.StdEncoding.DecodeString; nil takes the text as it is.
	Decode func(string) ([]byte, error)
	// Encode writes the signature: Hex or Base64.
	Encode Encoding
	// RSA and Ed25519 say which private keys the API takes in place of a shared
	// secret, in PEM form: PKCS #8, or PKCS #1 for RSA. RSA signs with PKCS #1
	// v1.5 and SHA-256. Such signatures are written in base64.
	RSA, Ed25519 bool
	// Extra names the entries of source.Key.Extra that a usable key has, such
	// as "passphrase".
	Extra []string
	// NonceUnit is what [Nonce] counts. Default: microseconds.
	NonceUnit time.Duration

	// Traits are those of the scheme. To its Headers those below are added; Strip follows
	// from Replaces if it is nil, and Resync from [LearnClock].
	Traits transport.Traits
	// Replaces names what a client of the API's own adds when it signs, besides the
	// Headers: parameters of the query, and fields of the form or the JSON object in the
	// body. With transport.WithOverride they are taken out, for the scheme to add its own;
	// otherwise those that a caller sets are kept.
	Replaces []string
	// Before may change the request before it is signed, with the methods of Call.
	Before func(*Call) error
	// Message are the parts of the string to sign, one after the other.
	Message []Part
	// After may change the request once the signature is known.
	After func(*Call) error
	// Headers are set on the request; their values may use [Signature].
	Headers []Header
}

// A Header is one header of a signed request.
type Header struct {
	Name  string
	Value Part
}

// Scheme returns the scheme that signs as s says. It keeps an unusable key from
// ever becoming current: one without an id or a named extra, with characters
// that no header could carry, with a secret that cannot be decoded, or with a
// private key of another kind; the error wraps source.ErrUnusable. A request
// whose body cannot be read twice is an error that wraps transport.ErrBody.
func (s Signing) Scheme(opts ...Option) transport.Scheme {
	return newScheme(s, opts)
}

type scheme struct {
	Signing
	config
	clock
	names []string // canonical names of Headers
}

func newScheme(s Signing, opts []Option) *scheme {
	d := &scheme{Signing: s, config: config{now: time.Now, nonceUnit: s.NonceUnit}}
	if d.nonceUnit <= 0 {
		d.nonceUnit = time.Microsecond
	}
	for _, opt := range opts {
		opt(&d.config)
	}
	d.local = d.config.now
	for _, h := range s.Headers {
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

// Traits are those of the description, and what follows from the rest of it.
func (d *scheme) Traits() transport.Traits {
	traits := d.Signing.Traits
	traits.Headers, traits.Params, traits.Fields = slices.Clone(traits.Headers), slices.Clone(traits.Params), slices.Clone(traits.Fields)
	for _, h := range d.Headers {
		traits.Headers = append(traits.Headers, h.Name)
	}
	traits.Sequential = traits.Sequential && !d.nonceWindow
	if traits.Strip == nil && len(d.Replaces) > 0 {
		traits.Strip = d.strip
	}
	if d.learn {
		traits.Resync = d.resync
	}
	return traits
}

// strip takes out what a caller's own client has added.
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

// A signer signs under one version. What is secret of it lies behind functions
// and source.Secret, where fmt cannot reach it (F93).
type signer struct {
	d       *scheme
	id      string
	extra   map[string]source.Secret
	nonces  *counter
	encode  Encoding
	private bool                                      // signs with a private key,
	ed25519 bool                                      // of this kind
	compute func(dst, message []byte) ([]byte, error) // appends to dst
	kept    []atomic.Pointer[[]string]                // by header: its value at the first attempt
}

func (d *scheme) prepare(key source.Key) (*signer, error) {
	unusable := func(why string) (*signer, error) {
		return nil, fmt.Errorf("provider: %s: %w: %s", d.Name, source.ErrUnusable, why)
	}
	if !visible(key.ID) {
		return unusable("its id is empty or not visible ASCII")
	}
	for _, name := range d.Extra {
		if !visible(key.Extra[name].Expose()) {
			return unusable("its " + name + " is missing or not visible ASCII")
		}
	}
	s := &signer{d: d, id: key.ID, extra: key.Clone().Extra, nonces: counterFor(d.Name, key.ID), encode: d.Encode,
		kept: make([]atomic.Pointer[[]string], len(d.Headers))}
	if isPEM(key.Secret) {
		// A private key under a scheme without any would sign as a shared secret,
		// and be refused request by request.
		var err error
		if s.compute, s.ed25519, err = privateKey(key.Secret, d.RSA, d.Ed25519); err != nil {
			return unusable(err.Error())
		}
		s.encode, s.private = Base64, true
		return s, nil
	}
	if d.Hash == nil || d.Encode == nil {
		return unusable("its scheme has no hash, or no encoding, for a shared secret")
	}
	m, err := mac.New(d.Hash, d.Decode, key.Secret)
	if err != nil {
		return nil, fmt.Errorf("provider: %s: %w", d.Name, err)
	}
	s.compute = func(dst, message []byte) ([]byte, error) { return m.Append(dst, message), nil }
	return s, nil
}

// Sign signs one attempt.
func (s *signer) Sign(req *http.Request) error {
	c := newCall(s, req)
	defer c.release()
	if err := c.sign(); err != nil {
		return fmt.Errorf("provider: %s: %w", s.d.Name, err)
	}
	return nil
}

// text signs text and returns the signature, written as the API wants it.
func (s *signer) text(text string) (string, error) {
	sum, err := s.compute(nil, []byte(text))
	if err != nil {
		return "", fmt.Errorf("provider: %s: %w", s.d.Name, err)
	}
	return string(s.encode(nil, sum)), nil
}

// login returns the Profile.Login that message makes of a prepared key.
func (d *scheme) login(message func(s *signer, now time.Time) ([]byte, error)) func(source.Key) ([]byte, error) {
	return func(key source.Key) ([]byte, error) {
		s, err := d.prepare(key)
		if err != nil {
			return nil, err
		}
		return message(s, d.clock.now())
	}
}

// visible reports whether s is not empty and all visible ASCII.
func visible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != ""
}
