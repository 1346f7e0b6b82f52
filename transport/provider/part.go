package provider

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/url"
	"strconv"
	"time"
)

// A Part appends one part of a message, or of a header's value, to dst. Besides
// those of this package any function will do.
type Part func(dst []byte, c *Call) []byte

// An Encoding appends sum to dst as text.
type Encoding func(dst, sum []byte) []byte

// Hex writes lower-case hexadecimal.
func Hex(dst, sum []byte) []byte { return hex.AppendEncode(dst, sum) }

// Base64 writes standard base64 with padding (RFC 4648 section 4).
func Base64(dst, sum []byte) []byte { return base64.StdEncoding.AppendEncode(dst, sum) }

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

// Nonce is [Call.Nonce] in decimal.
func Nonce(dst []byte, c *Call) []byte { return strconv.AppendUint(dst, c.Nonce(), 10) }

// ID is the key's id.
func ID(dst []byte, c *Call) []byte { return append(dst, c.signer.id...) }

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

// decodedPath is the path without its escapes.
func decodedPath(dst []byte, c *Call) []byte {
	if c.Request.URL.Path == "" {
		return append(dst, '/')
	}
	return append(dst, c.Request.URL.Path...)
}

// decodedQuery is the query without its escapes, and with spaces for "+".
func decodedQuery(dst []byte, c *Call) []byte {
	query, err := url.QueryUnescape(c.Request.URL.RawQuery)
	if err != nil {
		c.fail(errors.New("the query has a broken escape"))
	}
	return append(dst, query...)
}

// decodedTarget is [Target] without escapes.
func decodedTarget(dst []byte, c *Call) []byte {
	dst = decodedPath(dst, c)
	if u := c.Request.URL; u.RawQuery != "" || u.ForceQuery {
		dst = decodedQuery(append(dst, '?'), c)
	}
	return dst
}

// Query is the query as it is sent, without "?".
func Query(dst []byte, c *Call) []byte { return append(dst, c.Request.URL.RawQuery...) }

// Body is the body as it is sent, byte for byte.
func Body(dst []byte, c *Call) []byte { return append(dst, c.Body()...) }

// Signature is the signature of the message, for headers.
func Signature(dst []byte, c *Call) []byte { return append(dst, c.signature...) }

// Text is s itself.
func Text(s string) Part { return func(dst []byte, _ *Call) []byte { return append(dst, s...) } }

// Extra is the named entry of source.Key.Extra.
func Extra(name string) Part {
	return func(dst []byte, c *Call) []byte { return append(dst, c.signer.extra[name].Expose()...) }
}

// Signed is the signature of the parts p by themselves.
func Signed(p ...Part) Part {
	message := Join(p...)
	return func(dst []byte, c *Call) []byte {
		sum, err := c.signer.compute(nil, message(nil, c))
		c.fail(err)
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
