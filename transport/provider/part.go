package provider

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/url"
	"strconv"
	"time"
)

// A Part appends one part of a message, or of a header's value, to dst, and returns
// the result. Besides those of this package any function will do; one that cannot append
// its part calls [Call.Fail].
type Part func(dst []byte, c *Call) []byte

// Millis is the time in milliseconds since 1970.
func Millis(dst []byte, c *Call) []byte { return strconv.AppendInt(dst, c.Time.UnixMilli(), 10) }

// Seconds is the time in seconds since 1970.
func Seconds(dst []byte, c *Call) []byte { return strconv.AppendInt(dst, c.Time.Unix(), 10) }

// ISO8601 is the time as 2020-12-08T09:08:57.715Z.
func ISO8601(dst []byte, c *Call) []byte {
	return c.Time.UTC().AppendFormat(dst, "2006-01-02T15:04:05.000Z")
}

// Expires is a [Seconds] that lies d after the time.
func Expires(d time.Duration) Part {
	return func(dst []byte, c *Call) []byte { return strconv.AppendInt(dst, c.Time.Add(d).Unix(), 10) }
}

// Nonce is a number that grows strictly for each key id, across goroutines, clients of
// the process and steps of the clock: the time in [Signing.NonceUnit], or one more than
// the nonce before. It is the same in all parts of an attempt.
func Nonce(dst []byte, c *Call) []byte {
	if c.nonce == 0 {
		// Before 1970 there is no nonce but the last one and one more.
		c.nonce = c.signer.nonces.next(uint64(max(0, c.Time.UnixNano()/int64(c.signer.d.nonceUnit))))
	}
	return strconv.AppendUint(dst, c.nonce, 10)
}

// Random are 16 random bytes in lower-case hexadecimal, the same in all parts of an
// attempt, for APIs that take any text as a nonce, once.
func Random(dst []byte, c *Call) []byte {
	if c.random == nil {
		c.random = make([]byte, 16)
		rand.Read(c.random)
	}
	return hex.AppendEncode(dst, c.random)
}

// ID is the key's id.
func ID(dst []byte, c *Call) []byte { return append(dst, c.signer.id...) }

// Secret is the key's secret as it is.
func Secret(dst []byte, c *Call) []byte { return append(dst, c.signer.secret.Expose()...) }

// Extra is the named entry of source.Key.Extra.
func Extra(name string) Part {
	return func(dst []byte, c *Call) []byte { return append(dst, c.signer.extra[name].Expose()...) }
}

// Method is the request's method, in upper case as it is sent.
func Method(dst []byte, c *Call) []byte {
	if c.Request.Method == "" {
		return append(dst, "GET"...)
	}
	return append(dst, c.Request.Method...)
}

// Path is the path as it is sent, escapes and all.
func Path(dst []byte, c *Call) []byte { return append(dst, escapedPath(c.Request.URL)...) }

// Target is the path and, if there is one, "?" and the query, as sent.
func Target(dst []byte, c *Call) []byte {
	dst = Path(dst, c)
	if u := c.Request.URL; u.RawQuery != "" || u.ForceQuery {
		dst = append(append(dst, '?'), u.RawQuery...)
	}
	return dst
}

// Query is the query as it is sent, without "?".
func Query(dst []byte, c *Call) []byte { return append(dst, c.Request.URL.RawQuery...) }

// DecodedPath is [Path] without its escapes.
func DecodedPath(dst []byte, c *Call) []byte {
	if c.Request.URL.Path == "" {
		return append(dst, '/')
	}
	return append(dst, c.Request.URL.Path...)
}

// DecodedQuery is [Query] without its escapes, and with spaces for "+".
func DecodedQuery(dst []byte, c *Call) []byte {
	query, err := url.QueryUnescape(c.Request.URL.RawQuery)
	if err != nil {
		c.Fail(errors.New("the query has a broken escape"))
	}
	return append(dst, query...)
}

// DecodedTarget is [Target] without its escapes, and with spaces for "+" in the query.
func DecodedTarget(dst []byte, c *Call) []byte {
	dst = DecodedPath(dst, c)
	if u := c.Request.URL; u.RawQuery != "" || u.ForceQuery {
		dst = DecodedQuery(append(dst, '?'), c)
	}
	return dst
}

// Body is the body as it is sent, byte for byte.
func Body(dst []byte, c *Call) []byte { return append(dst, c.Body()...) }

// Message is the string to sign, for [Signing.After] and headers.
func Message(dst []byte, c *Call) []byte { return append(dst, c.message...) }

// Signature is the signature of the message, for [Signing.After] and headers. Without a
// message it is empty.
func Signature(dst []byte, c *Call) []byte { return append(dst, c.signature...) }

// Text is s itself.
func Text(s string) Part { return func(dst []byte, _ *Call) []byte { return append(dst, s...) } }

// Algorithm is the name of what the key signs with in JSON Web Signatures (RFC 7518
// section 3.1, RFC 8037): HS256, HS384 or HS512, RS256, PS256, ES256 or EdDSA.
func Algorithm(dst []byte, c *Call) []byte { return append(dst, c.signer.name...) }

// Signed is the signature of the parts p by themselves.
func Signed(p ...Part) Part {
	message := Join(p...)
	return func(dst []byte, c *Call) []byte {
		sum, err := c.signer.sign(nil, message(nil, c))
		c.Fail(err)
		return c.signer.encode(dst, sum)
	}
}

// Join is the parts p, one after the other.
func Join(p ...Part) Part {
	return func(dst []byte, c *Call) []byte {
		for _, part := range p {
			dst = part(dst, c)
		}
		return dst
	}
}

// escapedPath returns the path that net/http sends for u.
func escapedPath(u *url.URL) string {
	if p := u.EscapedPath(); p != "" {
		return p
	}
	return "/"
}
