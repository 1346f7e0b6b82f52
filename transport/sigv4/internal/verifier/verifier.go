// Package verifier checks Signature Version 4 like an AWS service, for tests. It is
// written from the documentation and does not use the SDK.
//
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
package verifier

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Service is one AWS service that only checks signatures.
type Service struct {
	Name, Region string
	Keys         map[string]string // access key id to secret: the active ones
	Session      string            // the session token that goes with them, if any
}

// ID returns the access key id of a request, before anything is checked.
func ID(r *http.Request) string {
	id, _, _ := strings.Cut(credential(r)["Credential"], "/")
	return id
}

// credential returns the parts of the Authorization header.
func credential(r *http.Request) map[string]string {
	part := make(map[string]string)
	rest, ok := strings.CutPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ")
	if !ok {
		return part
	}
	for field := range strings.SplitSeq(rest, ", ") {
		name, value, _ := strings.Cut(field, "=")
		part[name] = value
	}
	return part
}

// Check returns the access key id, and the error's code if there is one. body is what
// came over the wire.
func (v Service) Check(r *http.Request, body []byte, now time.Time) (id, code string) {
	part := credential(r)
	if len(part) == 0 {
		return "", "MissingAuthenticationToken"
	}
	scope := strings.Split(part["Credential"], "/")
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if len(scope) != 5 || err != nil || scope[1] != at.Format("20060102") || scope[2] != v.Region || scope[3] != v.Name || scope[4] != "aws4_request" {
		return "", "IncompleteSignature"
	}
	secret, ok := v.Keys[scope[0]]
	switch {
	case !ok && v.Name == "s3":
		return "", "InvalidAccessKeyId"
	case !ok:
		return "", "InvalidClientTokenId"
	case v.Session != r.Header.Get("X-Amz-Security-Token"):
		return "", "ExpiredToken"
	case at.Sub(now).Abs() > 5*time.Minute:
		return "", "RequestTimeTooSkewed"
	}
	signed := strings.Split(part["SignedHeaders"], ";")
	for _, must := range []string{"host", "x-amz-date"} {
		if !slices.Contains(signed, must) {
			return "", "IncompleteSignature"
		}
	}
	if v.Session != "" && !slices.Contains(signed, "x-amz-security-token") {
		return "", "IncompleteSignature"
	}
	for name := range r.Header {
		if low := strings.ToLower(name); strings.HasPrefix(low, "x-amz-") && !slices.Contains(signed, low) {
			return "", "AccessDenied" // "There were headers present in the request which were not signed"
		}
	}
	hash := Digest(body)
	if v.Name == "s3" {
		if h := r.Header.Get("X-Amz-Content-Sha256"); h != hash && h != "UNSIGNED-PAYLOAD" && h != "STREAMING-UNSIGNED-PAYLOAD-TRAILER" {
			return "", "XAmzContentSHA256Mismatch"
		}
		hash = r.Header.Get("X-Amz-Content-Sha256")
	}
	want := Signature(secret, scope, part["Credential"][len(scope[0])+1:], r.Header.Get("X-Amz-Date"), Canonical(r, signed, hash, v.Name != "s3"))
	if !hmac.Equal([]byte(want), []byte(part["Signature"])) {
		return "", "SignatureDoesNotMatch"
	}
	return scope[0], ""
}

// Canonical makes the canonical request.
func Canonical(r *http.Request, signed []string, hash string, again bool) string {
	path := r.URL.EscapedPath()
	if again { // every service but S3 has the path escaped once more
		path = escape(path, "/")
	}
	var query []string
	for name, values := range r.URL.Query() {
		for _, value := range values {
			query = append(query, escape(name, "")+"="+escape(value, ""))
		}
	}
	slices.Sort(query)
	var headers strings.Builder
	for _, name := range signed {
		value := strings.Join(r.Header.Values(name), ",")
		switch name {
		case "host":
			value = r.Host
		case "content-length":
			value = fmt.Sprint(r.ContentLength)
		}
		fmt.Fprintf(&headers, "%s:%s\n", name, strings.Join(strings.Fields(value), " "))
	}
	return strings.Join([]string{
		r.Method, path, strings.Join(query, "&"), headers.String(), strings.Join(signed, ";"), hash,
	}, "\n")
}

// Signature returns the signature of a canonical request.
func Signature(secret string, scope []string, scopeText, date, request string) string {
	text := strings.Join([]string{"AWS4-HMAC-SHA256", date, scopeText, Digest([]byte(request))}, "\n")
	key := []byte("AWS4" + secret)
	for _, part := range scope[1:] {
		key = mac(key, part)
	}
	return hex.EncodeToString(mac(key, text))
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// Digest returns the SHA-256 of data in hexadecimal.
func Digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// escape is URI encoding as SigV4 has it: all but the unreserved characters.
func escape(text, besides string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-._~"+besides, rune(c)) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
