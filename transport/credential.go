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

// ErrCredential: the request comes with a credential of its own, in a place where
// the scheme puts the ring's key. Nothing was sent. [WithOverride] sends the ring's
// key in its place, [WithPassThrough] lets it go out as it is.
var ErrCredential = errors.New("transport: the request has a credential of its own")

// places are where a scheme puts a key, and so where a caller's own may be.
type places struct {
	headers   []string                  // canonical
	spellings []string                  // of those, that a caller's may have
	anyCase   bool                      // any spelling is looked for, which costs more
	prefix    string                    // of the header's value, ahead of the secret
	params    []string                  // of the query
	fields    []string                  // of a form in the body
	strip     func(*http.Request) error // takes out what else a caller's signing left; nil: nothing
	mark      string                    // of requests that have the ring's key there: see signedHere
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

// signedHere begins the mark on what a transport of this package sends: it names the
// places that have the ring's key, for a transport below that puts one there too (F48).
// It stands in RemoteAddr, which means nothing to an HTTP client (http.Request).
const signedHere = "rollingkeys:"

func inMark(place string) string { return "\n" + place + "\n" }

// marked returns the mark for what is sent for req.
func (p *places) marked(req *http.Request) string {
	if strings.HasPrefix(req.RemoteAddr, signedHere) {
		return req.RemoteAddr + p.mark
	}
	return p.mark
}

// taken reports whether something, be it empty, stands in one of the places. The
// usual request has nothing there, and this is all that it pays.
func (p *places) taken(req *http.Request) bool {
	return len(req.Header) > 0 && p.hasHeader(req.Header) ||
		req.URL.User != nil && slices.Contains(p.headers, "Authorization") ||
		len(p.params) > 0 && (has(req.URL.RawQuery, p.params) || req.Header["Referer"] != nil) ||
		len(p.fields) > 0 && hasForm(req)
}

// hasHeader reports whether h has one of the headers. To look each up is faster than
// to compare all that h has.
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

// has reports whether a query, or a form, has one of the names.
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
	place string // a header's name; "?" and that of a parameter; "=" and that of a field
	value string // as it is
	header.Credential
}

// where is the place in the words of an error.
func (f found) where() string {
	switch f.place[0] {
	case '?':
		return fmt.Sprintf("query parameter %q", f.place[1:])
	case '=':
		return fmt.Sprintf("form field %q", f.place[1:])
	}
	return fmt.Sprintf("header %q", f.place)
}

// hasID reports whether the credential shows key's id, as signatures go with one. An
// id is no secret.
func (f found) hasID(key source.Key) bool {
	const short = 8 // such a text may be anywhere
	return len(key.ID) >= short && strings.Contains(f.value, key.ID)
}

// own returns the caller's own credentials. Something empty is none, nor is the
// name of an authentication scheme with nothing behind it: SDKs set those where they
// were given no key (F113). User info in the URL is one, as net/http makes a
// header of it. req's body is read by GetBody, where it may hold one.
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
			if value != "" && slices.Contains(names, name) {
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

// clear takes what stands in the places out of out, the transport's copy, so that
// nothing of a caller's own credential is sent, in a Referer neither.
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
		return err // it may hold one
	}
	if ok && has(form, p.fields) {
		SetBody(out, []byte(query.Without(form, p.fields...)))
	}
	if p.strip != nil {
		return p.strip(out)
	}
	return nil
}

// clearHeaders takes the headers out of h, and the parameters out of its Referer, which
// net/http makes of the URL that was redirected.
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

// form returns the body of a form that may hold a credential. A form that cannot be
// read twice is an error that wraps ErrBody.
func (p *places) form(req *http.Request) (string, bool, error) {
	if len(p.fields) == 0 || !hasForm(req) {
		return "", false, nil
	}
	data, err := Body(req)
	return string(data), err == nil, err
}

func hasForm(req *http.Request) bool { return hasBody(req) && query.IsForm(req.Header) }
