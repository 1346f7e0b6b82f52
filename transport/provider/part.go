package provider

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// A Part appends one part of a message, or of the value of a header, to dst and returns
// the result. Any function with this signature may be used. If a Part cannot append
// anything, it calls [Call.Fail].
type Part func(dst []byte, c *Call) []byte

// Millis appends the time in milliseconds since 1970.
func Millis(dst []byte, c *Call) []byte { return strconv.AppendInt(dst, c.Time.UnixMilli(), 10) }

// Seconds appends the time in seconds since 1970.
func Seconds(dst []byte, c *Call) []byte { return strconv.AppendInt(dst, c.Time.Unix(), 10) }

// ISO8601 appends the time in the form 2020-12-08T09:08:57.715Z.
func ISO8601(dst []byte, c *Call) []byte {
	return c.Time.UTC().AppendFormat(dst, "2006-01-02T15:04:05.000Z")
}

// Expires appends the time plus d, in seconds since 1970.
func Expires(d time.Duration) Part {
	return func(dst []byte, c *Call) []byte { return strconv.AppendInt(dst, c.Time.Add(d).Unix(), 10) }
}

// Nonce appends a number that always grows for each key id, across goroutines, clients
// of the process and steps of the clock. It is the time in [Signing.NonceUnit], or the
// nonce before plus one if that is larger. It is the same in all parts of an attempt. With
// [TimeNonce] it is the time in seconds.
func Nonce(dst []byte, c *Call) []byte {
	if c.nonce == 0 && c.signer.d.timeNonce {
		c.nonce = uint64(max(0, c.Time.Unix()))
	}
	if c.nonce == 0 {
		// Before 1970 the time counts as 0.
		c.nonce = c.signer.nonces.next(uint64(max(0, c.Time.UnixNano()/int64(c.signer.d.nonceUnit))))
	}
	return strconv.AppendUint(dst, c.nonce, 10)
}

// Random appends 16 random bytes in lower-case hexadecimal, the same in all parts of an
// attempt. It is for APIs that accept any text as a nonce, once.
func Random(dst []byte, c *Call) []byte {
	if c.random == nil {
		c.random = make([]byte, 16)
		rand.Read(c.random)
	}
	return hex.AppendEncode(dst, c.random)
}

// ID appends the key's id.
func ID(dst []byte, c *Call) []byte { return append(dst, c.signer.id...) }

// Secret appends the key's secret.
func Secret(dst []byte, c *Call) []byte { return append(dst, c.signer.secret.Expose()...) }

// Extra appends that entry of source.Key.Extra.
func Extra(name string) Part {
	return func(dst []byte, c *Call) []byte { return append(dst, c.signer.extra[name].Expose()...) }
}

// Method appends the method as it is sent.
func Method(dst []byte, c *Call) []byte {
	if c.Request.Method == "" {
		return append(dst, "GET"...)
	}
	return append(dst, c.Request.Method...)
}

// Path appends the path as it is sent, with its escapes.
func Path(dst []byte, c *Call) []byte { return append(dst, escapedPath(c.Request.URL)...) }

// Target appends the path and, if there is one, "?" and the query, as they are sent.
func Target(dst []byte, c *Call) []byte {
	dst = Path(dst, c)
	if u := c.Request.URL; u.RawQuery != "" || u.ForceQuery {
		dst = append(append(dst, '?'), u.RawQuery...)
	}
	return dst
}

// Query appends the query as it is sent, without "?".
func Query(dst []byte, c *Call) []byte { return append(dst, c.Request.URL.RawQuery...) }

// DecodedPath appends the path without its escapes.
func DecodedPath(dst []byte, c *Call) []byte {
	path, err := decodedPath(c.Request.URL)
	if err != nil {
		c.Fail(errors.New("the path has a broken escape"))
	}
	return append(dst, cmp.Or(path, "/")...)
}

// DecodedQuery appends the query without its escapes, with a space for each "+". A
// broken escape fails the request.
func DecodedQuery(dst []byte, c *Call) []byte {
	query, err := url.QueryUnescape(c.Request.URL.RawQuery)
	if err != nil {
		c.Fail(errors.New("the query has a broken escape: encode it by url.Values"))
	}
	return append(dst, query...)
}

// DecodedTarget appends [DecodedPath] and, if there is a query, "?" and [DecodedQuery].
func DecodedTarget(dst []byte, c *Call) []byte {
	dst = DecodedPath(dst, c)
	if u := c.Request.URL; u.RawQuery != "" || u.ForceQuery {
		dst = DecodedQuery(append(dst, '?'), c)
	}
	return dst
}

// Body appends the body as it is sent.
func Body(dst []byte, c *Call) []byte { return append(dst, c.Body()...) }

// Message appends the string to sign. Use it in [Signing.After] and in headers.
func Message(dst []byte, c *Call) []byte { return append(dst, c.message...) }

// Signature appends the signature of the message. Use it in [Signing.After] and in
// headers. Without a message it appends nothing.
func Signature(dst []byte, c *Call) []byte { return append(dst, c.signature...) }

// Text appends s.
func Text(s string) Part { return func(dst []byte, _ *Call) []byte { return append(dst, s...) } }

// Algorithm appends the name of the key's algorithm in JSON Web Signatures (RFC 7518
// section 3.1, RFC 8037): HS256, HS384 or HS512, RS256, PS256, ES256 or EdDSA.
func Algorithm(dst []byte, c *Call) []byte { return append(dst, c.signer.name...) }

// Signed appends a signature of the parts p, independent of the message.
func Signed(p ...Part) Part {
	message := Join(p...)
	return func(dst []byte, c *Call) []byte {
		sum, err := c.signer.sign(nil, message(nil, c))
		c.Fail(err)
		return c.signer.encode(dst, sum)
	}
}

// Join appends the parts p.
func Join(p ...Part) Part {
	return func(dst []byte, c *Call) []byte {
		for _, part := range p {
			dst = part(dst, c)
		}
		return dst
	}
}

// escapedPath returns the path that net/http sends for u, as RequestURI says.
func escapedPath(u *url.URL) string {
	return cmp.Or(u.Opaque, u.EscapedPath(), "/") // F166
}

// decodedPath returns the path that net/http sends for u, without its escapes. The
// transport refuses an opaque URL that names a host.
func decodedPath(u *url.URL) (string, error) {
	if u.Opaque == "" {
		return u.Path, nil
	}
	return url.PathUnescape(u.Opaque)
}

// onPath lets f, a function of Traits, see the path of a request whose URL is opaque.
func onPath(f func(*http.Request) bool) func(*http.Request) bool {
	if f == nil {
		return nil
	}
	return func(req *http.Request) bool {
		if req.URL.Opaque == "" {
			return f(req)
		}
		seen, u := *req, *req.URL
		u.Opaque, _, _ = strings.Cut(u.Opaque, "?")
		u.Path, _ = decodedPath(&u)
		u.Opaque = ""
		seen.URL = &u
		return f(&seen)
	}
}
