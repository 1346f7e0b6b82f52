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
	"github.com/rollingkeys/rollingkeys/transport/internal/query"
)

// A Signing describes how an API wants its requests signed: a message made of
// parts, a signature over it, and headers that carry the result.
//
// For each attempt, Before, Message, the signature, After and Headers come in
// this order. Nothing of a Signing may be changed once [Signing.Profile] was called.
type Signing struct {
	// Name is the API's name in lower case. It stands in errors, and APIs of one name
	// share the nonces of a key.
	Name string
	// Hash is the HMAC's hash, such as sha256.New; nil where the API takes private keys
	// alone.
	Hash func() hash.Hash
	// Decode turns a secret's text into the HMAC's key, e.g.
	// base64.StdEncoding.DecodeString; nil takes the text as it is.
	Decode func(string) ([]byte, error)
	// Encode appends the HMAC to dst as text, e.g. hex.AppendEncode. Other signatures
	// are written in standard base64.
	Encode func(dst, sum []byte) []byte
	// RSA, RSAPSS, Ed25519 and ES256 say which private keys the API takes: RSA, which
	// sign with SHA-256, and PKCS #1 v1.5 or, if RSAPSS is set, PSS with a salt of 32
	// bytes; Ed25519; and ECDSA on P-256 with SHA-256, whose signature is r and s of 32
	// bytes each (RFC 7518 section 3.4). A private key is a PEM block: PKCS #8, PKCS #1
	// for RSA, or SEC 1 for ECDSA. Where Hash is nil, an Ed25519 key may be base64 of 32
	// or 64 bytes.
	RSA, RSAPSS, Ed25519, ES256 bool
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
	// Message are the parts of the string to sign, one after the other. Without them
	// nothing is signed but what [Signed] and [JWT] sign.
	Message []Part
	// After may change the request once the signature is known.
	After func(*Call) error
	// Headers are set on the request; their values may use [Signature].
	Headers []Header
	// Login returns the message of [Profile.Login]. Its Call has an empty request, and
	// the parts of an attempt: time, nonce, signatures. Nil: there is no login.
	Login func(*Call) ([]byte, error)
}

// A Header is one header of a signed request.
type Header struct {
	Name  string
	Value Part
}

// Profile returns the API's name, its login, and the scheme that signs as s says. The
// caller adds what else there is to know of the API.
//
// The scheme keeps an unusable key from ever becoming current: one without an id or a
// named extra, with characters that no header could carry, with a secret that cannot be
// decoded, or with a private key of another kind; the error wraps source.ErrUnusable. A
// request whose body cannot be read twice is an error that wraps transport.ErrBody.
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
	clock
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
	algorithm
	d      *scheme
	id     string
	secret source.Secret
	extra  map[string]source.Secret
	nonces *counter
	kept   []atomic.Pointer[[]string] // by header: its value at the first attempt
}

func (d *scheme) prepare(key source.Key) (*signer, error) {
	fail := func(err error) (*signer, error) { return nil, fmt.Errorf("provider: %s: %w", d.Name, err) }
	if !visible(key.ID) {
		return fail(unusable("its id is empty or not visible ASCII"))
	}
	for _, name := range d.Extra {
		if !visible(key.Extra[name].Expose()) {
			return fail(unusable("its " + name + " is missing or not visible ASCII"))
		}
	}
	a, err := d.algorithm(key.Secret)
	if err != nil {
		return fail(err)
	}
	return &signer{algorithm: a, d: d, id: key.ID, secret: key.Secret, extra: key.Clone().Extra, nonces: counterFor(d.Name, key.ID),
		kept: make([]atomic.Pointer[[]string], len(d.Headers))}, nil
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

// login is Profile.Login.
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

// visible reports whether s is not empty and all visible ASCII.
func visible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != ""
}
