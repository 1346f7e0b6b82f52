package transport

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport/internal/query"
)

// ErrCredential: the request comes with a credential of its own, in a place where
// the scheme puts the ring's key. Nothing was sent. [WithOverride] sends the ring's
// key in its place, [WithPassThrough] lets it go out as it is.
var ErrCredential = errors.New("transport: the request has a credential of its own")

// places are where a scheme puts a key, and so where a caller's own may be.
type places struct {
	headers   []string                  // canonical
	spellings []string                  // of those, that a caller's may have
	params    []string                  // of the query
	fields    []string                  // of a form in the body
	strip     func(*http.Request) error // takes out what else a caller's signing left; nil: nothing
}

func placesOf(scheme Scheme) (p places) {
	if s, ok := scheme.(interface{ CredentialHeaders() []string }); ok {
		p.headers = s.CredentialHeaders()
		p.spellings = spellings(p.headers)
	}
	if s, ok := scheme.(interface{ CredentialParams() []string }); ok {
		p.params = s.CredentialParams()
	}
	if s, ok := scheme.(interface{ CredentialFields() []string }); ok {
		p.fields = s.CredentialFields()
	}
	if s, ok := scheme.(interface{ Strip(*http.Request) error }); ok {
		p.strip = s.Strip
	}
	return p
}

// taken reports whether something, be it empty, stands in one of the places. The
// usual request has nothing there, and this is all that it pays.
func (p *places) taken(req *http.Request) bool {
	return len(req.Header) > 0 && hasOne(req.Header, p.spellings) ||
		req.URL.User != nil && slices.Contains(p.headers, "Authorization") ||
		len(p.params) > 0 && req.URL.RawQuery != "" && slices.ContainsFunc(p.params, req.URL.Query().Has) ||
		len(p.fields) > 0 && req.Body != nil && hasForm(req)
}

// found is a credential of the caller's own.
type found struct {
	where string   // in the words of an error
	value string   // as it is
	parts []string // of which one may be a key's secret
}

// is reports whether the credential is that of key. Of schemes that sign, the key's
// id, which is no secret, tells.
func (f found) is(key source.Key) bool {
	if slices.ContainsFunc(f.parts, func(part string) bool { return source.NewSecret(part).Equal(key.Secret) }) {
		return true
	}
	const short = 8 // such a text may be anywhere
	return len(key.ID) >= short && strings.Contains(f.value, key.ID)
}

// own returns the caller's own credentials. Something empty is none, nor is the
// name of an authentication scheme with nothing behind it: SDKs set those where they
// were given no key (F113). User info in the URL is one, as net/http makes a
// header of it.
func (p *places) own(req *http.Request) (list []found) {
	for _, name := range p.spellings {
		for _, value := range req.Header[name] {
			if parts := credential(value); len(parts) > 0 {
				list = append(list, found{fmt.Sprintf("header %q", http.CanonicalHeaderKey(name)), value, parts})
			}
		}
	}
	if u := req.URL.User; u != nil && slices.Contains(p.headers, "Authorization") {
		password, _ := u.Password()
		if u.Username() != "" || password != "" {
			list = append(list, found{"the URL's user information", "", []string{password}})
		}
	}
	named := func(what string, values url.Values, names []string) {
		for _, name := range names {
			for _, value := range values[name] {
				if value != "" {
					list = append(list, found{fmt.Sprintf("%s %q", what, name), value, []string{value}})
				}
			}
		}
	}
	if len(p.params) > 0 {
		named("query parameter", req.URL.Query(), p.params)
	}
	if form, ok, _ := p.form(req); ok {
		values, _ := url.ParseQuery(form)
		named("form field", values, p.fields)
	}
	return list
}

// credential returns what a header's value may have of a credential, nothing if it is none.
func credential(value string) []string {
	value = strings.TrimSpace(value)
	word, rest, _ := strings.Cut(value, " ")
	rest = strings.TrimSpace(rest)
	switch {
	case value == "", rest == "" && slices.ContainsFunc(authSchemes, func(s string) bool { return equalFold(word, s) }):
		return nil
	case rest == "":
		return []string{value}
	case equalFold(word, "Basic"):
		plain, err := base64.StdEncoding.DecodeString(rest)
		if err != nil {
			break
		}
		user, password, _ := strings.Cut(string(plain), ":")
		if user == "" && password == "" {
			return nil
		}
		return []string{value, rest, password}
	}
	return []string{value, rest}
}

// authSchemes are words that stand before a credential.
var authSchemes = []string{"Bearer", "Basic", "Token", "ApiKey", "Key", "Bot"}

// equalFold compares in ASCII, of which all the names are.
func equalFold(a, b string) bool {
	return len(a) == len(b) && strings.EqualFold(a, b)
}

// clear takes what stands in the places out of out, the transport's copy, so that
// nothing of a caller's own credential is sent.
func (p *places) clear(out *http.Request) error {
	for _, name := range p.spellings {
		delete(out.Header, name)
	}
	u := *out.URL
	if u.User != nil && slices.Contains(p.headers, "Authorization") {
		u.User = nil
	}
	if u.RawQuery != "" && len(p.params) > 0 {
		u.RawQuery = query.Without(u.RawQuery, p.params...)
	}
	out.URL = &u
	form, ok, err := p.form(out)
	if err != nil {
		return err // it may hold one
	}
	if ok {
		if rest := query.Without(form, p.fields...); rest != form {
			SetBody(out, []byte(rest))
		}
	}
	if p.strip != nil {
		return p.strip(out)
	}
	return nil
}

// form returns the body of a form that may hold a credential. A form that cannot be
// read twice is an error that wraps ErrBody.
func (p *places) form(req *http.Request) (string, bool, error) {
	if len(p.fields) == 0 || !hasForm(req) {
		return "", false, nil
	}
	data, err := Body(req)
	if err != nil {
		return "", false, err
	}
	if !fresh(req.GetBody) { // what was read may be what is to be sent: from the start again
		if again := getBody(req); again != nil && !same(again, req.Body) {
			_ = again.Close()
		}
	}
	return string(data), true, nil
}

// same reports whether a and b are one reader.
func same(a, b io.ReadCloser) bool {
	return reflect.TypeOf(a).Comparable() && reflect.TypeOf(b).Comparable() && a == b
}

func hasForm(req *http.Request) bool {
	const form = "application/x-www-form-urlencoded"
	t, _, _ := strings.Cut(req.Header.Get("Content-Type"), ";")
	return req.Body != nil && req.Body != http.NoBody && equalFold(strings.TrimSpace(t), form)
}

// hasOne reports whether h has an entry of one of the names, spelled so. To look each
// up is faster than to compare all that h has.
func hasOne(h http.Header, names []string) bool {
	for _, name := range names {
		if _, ok := h[name]; ok {
			return true
		}
	}
	return false
}

// spellings returns the names as they are, in canonical form, in lower and in upper case.
func spellings(names []string) []string {
	var all []string
	for _, name := range names {
		all = append(all, http.CanonicalHeaderKey(name), name, strings.ToLower(name), strings.ToUpper(name))
	}
	slices.Sort(all)
	return slices.Compact(all)
}
