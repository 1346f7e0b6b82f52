package sigv4_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// verifier is a service that checks Signature Version 4 itself, by the text of
// the documentation and without the SDK, and refuses as AWS does.
//
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
type verifier struct {
	service, region string

	mu      sync.Mutex
	keys    map[string]string // access key id to secret: the active ones
	session string            // the session token that goes with them, if any
	ahead   time.Duration     // of the true time, its clock is
	served  map[string]int    // by access key id
	refused int
	bodies  []string
	paths   []string
}

func (v *verifier) set(change func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	change()
}

func (v *verifier) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := time.Now().Add(v.ahead)
	w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
	body, _ := io.ReadAll(r.Body)
	id, code := v.check(r, body, now)
	if code != "" {
		v.refused++
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, "<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>no</Message></Error></ErrorResponse>", code)
		return
	}
	v.served[id]++
	v.bodies = append(v.bodies, string(body))
	v.paths = append(v.paths, r.URL.RequestURI())
	fmt.Fprint(w, id)
}

// check returns the access key id, and the error's code if there is one.
func (v *verifier) check(r *http.Request, body []byte, now time.Time) (id, code string) {
	rest, ok := strings.CutPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ")
	if !ok {
		return "", "MissingAuthenticationToken"
	}
	part := make(map[string]string)
	for field := range strings.SplitSeq(rest, ", ") {
		name, value, _ := strings.Cut(field, "=")
		part[name] = value
	}
	scope := strings.Split(part["Credential"], "/")
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if len(scope) != 5 || err != nil || scope[1] != at.Format("20060102") || scope[2] != v.region || scope[3] != v.service || scope[4] != "aws4_request" {
		return "", "IncompleteSignature"
	}
	secret, ok := v.keys[scope[0]]
	switch {
	case !ok && v.service == "s3":
		return "", "InvalidAccessKeyId"
	case !ok:
		return "", "InvalidClientTokenId"
	case v.session != r.Header.Get("X-Amz-Security-Token"):
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
	if v.session != "" && !slices.Contains(signed, "x-amz-security-token") {
		return "", "IncompleteSignature"
	}
	hash := digest(body)
	if v.service == "s3" {
		if h := r.Header.Get("X-Amz-Content-Sha256"); h != hash && h != "UNSIGNED-PAYLOAD" {
			return "", "XAmzContentSHA256Mismatch"
		}
		hash = r.Header.Get("X-Amz-Content-Sha256")
	}
	want := signature(secret, scope, part["Credential"][len(scope[0])+1:], r.Header.Get("X-Amz-Date"), canonical(r, signed, hash, v.service != "s3"))
	if !hmac.Equal([]byte(want), []byte(part["Signature"])) {
		return "", "SignatureDoesNotMatch"
	}
	return scope[0], ""
}

// canonical makes the canonical request.
func canonical(r *http.Request, signed []string, hash string, again bool) string {
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

func signature(secret string, scope []string, scopeText, date, request string) string {
	text := strings.Join([]string{"AWS4-HMAC-SHA256", date, scopeText, digest([]byte(request))}, "\n")
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

func digest(data []byte) string {
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

// request makes a request as a server has it, of a method, a URL and headers.
func request(method, target string, header map[string]string) *http.Request {
	u, err := url.Parse(target)
	if err != nil {
		panic(err)
	}
	r := &http.Request{Method: method, URL: u, Host: u.Host, Header: make(http.Header)}
	for name, value := range header {
		r.Header.Set(name, value)
	}
	return r
}
