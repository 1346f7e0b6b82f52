package provider

import (
	"encoding/base64"
	"encoding/json"
	"maps"
)

// JWT appends a JSON Web Token (RFC 7519) that the key signs. content returns the
// claims, and the fields of the header besides "alg" and "typ". Both are encoded by
// encoding/json; an encoding error fails the request. Compute times in seconds, such as
// "exp", from [Call.Time].
func JWT(content func(*Call) (header, claims map[string]any)) Part {
	return func(dst []byte, c *Call) []byte {
		header, claims := content(c)
		full := map[string]any{"typ": "JWT"}
		maps.Copy(full, header)
		full["alg"] = c.signer.name
		from := len(dst)
		for i, part := range []map[string]any{full, claims} {
			data, err := json.Marshal(part)
			c.Fail(err)
			if i > 0 {
				dst = append(dst, '.')
			}
			dst = base64.RawURLEncoding.AppendEncode(dst, data)
		}
		sum, err := c.signer.sign(nil, dst[from:])
		c.Fail(err)
		return base64.RawURLEncoding.AppendEncode(append(dst, '.'), sum)
	}
}
