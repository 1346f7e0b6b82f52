package transport

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport/internal/header"
	"github.com/rollingkeys/rollingkeys/transport/internal/query"
)

// ErrCredential means that the request already has a credential in a place where the
// scheme puts the ring's key. Nothing was sent. [WithOverride] replaces the credential
// by the ring's key; [WithPassThrough] sends it. A key of the ring in a parameter of the
// URL is no credential of the caller's own: it is from an answer that repeats the query,
// and the current key is sent in its place.
var ErrCredential = errors.New("transport: the request has a credential of its own")

// places are the places where a scheme puts a key. The caller's own credential may be
// there too.
type places struct {
	headers   []string                  // canonical names
	spellings []string                  // the spellings of headers that are looked for
	anyCase   bool                      // look for every spelling, which is slower
	prefix    string                    // text before the secret in a header's value
	params    []string                  // of the query
	fields    []string                  // of a form in the body
	strip     func(*http.Request) error // Traits.Strip
	mark      string                    // the mark of requests that have the ring's key in these places: see signedHere
}

func placesOf(traits Traits, override bool) places {
	p := places{anyCase: override, prefix: traits.Prefix, params: traits.Params, fields: traits.Fields, strip: traits.Strip}
	for _, name := range traits.Headers {
		canonical := http.CanonicalHeaderKey(name)
		p.headers = append(p.headers, canonical)
		p.spellings = append(p.spellings, canonical, name, strings.ToLower(name), strings.ToUpper(name))
	}
	slices.Sort(p.spellings)
	p.spellings = slices.Compact(p.spellings)
	p.mark = signedHere
	for _, name := range p.headers {
		p.mark += inMark(name)
	}
	for _, name := range p.params {
		p.mark += inMark("?" + name)
	}
	for _, name := range p.fields {
		p.mark += inMark("=" + name)
	}
	return p
}

// signedHere begins the mark of a request that a transport of this package sends. The
// mark lists the places that hold the ring's key, for a transport below that puts a key
// there too (F48). The mark is in RemoteAddr, which an HTTP client ignores
// (http.Request).
const signedHere = "rollingkeys:"

func inMark(place string) string { return "\n" + place + "\n" }

// marked returns the mark for the request that is sent in place of req.
func (p *places) marked(req *http.Request) string {
	if strings.HasPrefix(req.RemoteAddr, signedHere) {
		return req.RemoteAddr + p.mark
	}
	return p.mark
}

// taken reports whether one of the places holds something, even an empty value. Most
// requests have nothing there, and for them no other check runs.
func (p *places) taken(req *http.Request) bool {
	return len(req.Header) > 0 && p.hasHeader(req.Header) ||
		req.URL.User != nil && slices.Contains(p.headers, "Authorization") ||
		len(p.params) > 0 && (has(req.URL.RawQuery, p.params) || req.Header["Referer"] != nil) ||
		len(p.fields) > 0 && hasForm(req)
}

// hasHeader reports whether h has one of the headers. A lookup of each is faster than a
// loop over h.
func (p *places) hasHeader(h http.Header) bool {
	for _, name := range p.spellings {
		if _, ok := h[name]; ok {
			return true
		}
	}
	if p.anyCase {
		for name := range h {
			if p.isHeader(name) {
				return true
			}
		}
	}
	return false
}

func (p *places) isHeader(name string) bool {
	return slices.ContainsFunc(p.headers, func(own string) bool { return header.EqualFold(own, name) })
}

// has reports whether a query or a form has a parameter with one of the names.
func has(form string, names []string) bool {
	if form == "" {
		return false
	}
	for name := range query.Values(form) {
		if slices.Contains(names, name) {
			return true
		}
	}
	return false
}

// found is a credential of the caller's own.
type found struct {
	place string // the header's name; "?" and a parameter's name; "=" and a field's name
	value string // the whole value
	header.Credential
}

// where describes the place in an error text.
func (f found) where() string {
	switch f.place[0] {
	case '?':
		return fmt.Sprintf("query parameter %q", f.place[1:])
	case '=':
		return fmt.Sprintf("form field %q", f.place[1:])
	}
	return fmt.Sprintf("header %q", f.place)
}

// shortest is the length of the shortest text that does not occur in a value by chance.
const shortest = 8

// hasID reports whether the credential contains key's ID, as a signature's header does.
// An ID is not secret.
func (f found) hasID(key source.Key) bool {
	return len(key.ID) >= shortest && strings.Contains(f.value, key.ID)
}

// own returns the caller's own credentials. An empty value is not one, and the name of
// an authentication scheme alone is not either: SDKs set these if they were given no
// key (F113). Nor is "[redacted]", which the transport puts into URLs in place of a key.
// User info in the URL is one, because net/http makes a header of it. own reads a form's
// body by GetBody.
func (p *places) own(req *http.Request) (list []found) {
	for name, values := range req.Header {
		if !slices.Contains(p.spellings, name) && !(p.anyCase && p.isHeader(name)) {
			continue
		}
		for _, value := range values {
			if own := header.ParseCredential(value, p.prefix); len(own) > 0 {
				list = append(list, found{http.CanonicalHeaderKey(name), value, own})
			}
		}
	}
	if u := req.URL.User; u != nil && slices.Contains(p.headers, "Authorization") {
		password, _ := u.Password()
		if u.Username() != "" || password != "" {
			list = append(list, found{"Authorization", "", header.Credential{password}})
		}
	}
	named := func(kind, form string, names []string) {
		for name, value := range query.Values(form) {
			if value != "" && value != redacted && slices.Contains(names, name) {
				list = append(list, found{kind + name, value, header.Credential{value}})
			}
		}
	}
	if len(p.params) > 0 {
		named("?", req.URL.RawQuery, p.params)
	}
	if form, ok, _ := p.form(req); ok {
		named("=", form, p.fields)
	}
	return list
}

// clear empties the places in out, the transport's copy, so that nothing of the
// caller's own credential is sent, also not in a Referer.
func (p *places) clear(out *http.Request) error {
	p.clearHeaders(out.Header)
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
		return err // the form may hold a credential
	}
	if ok && has(form, p.fields) {
		SetBody(out, []byte(query.Without(form, p.fields...)))
	}
	if p.strip == nil {
		return nil
	}
	return strip(p.strip, out)
}

// clearHeaders deletes the headers from h. It also deletes a Referer with one of the
// parameters: net/http makes the Referer of a redirect from the URL before.
func (p *places) clearHeaders(h http.Header) {
	for name := range h {
		if slices.Contains(p.spellings, name) || p.anyCase && p.isHeader(name) {
			delete(h, name)
		}
	}
	if referer := h.Get("Referer"); referer != "" && len(p.params) > 0 {
		if u, err := url.Parse(referer); err != nil || has(u.RawQuery, p.params) {
			h.Del("Referer")
		}
	}
}

// form returns the body if it is a form that may hold a credential. If the body cannot
// be read twice, the error wraps ErrBody.
func (p *places) form(req *http.Request) (string, bool, error) {
	if len(p.fields) == 0 || !hasForm(req) {
		return "", false, nil
	}
	data, err := Body(req)
	return string(data), err == nil, err
}

func hasForm(req *http.Request) bool { return hasBody(req) && query.IsForm(req.Header) }
