package transport

import (
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport/internal/query"
)

// urls finds the URLs in the headers that name one, by their canonical names. Each
// match has a URL in its only group.
var urls = map[string]*regexp.Regexp{
	"Location":         regexp.MustCompile(`^(.*)$`),
	"Content-Location": regexp.MustCompile(`^(.*)$`),
	"Link":             regexp.MustCompile(`<([^>]*)>`),
	"Refresh":          regexp.MustCompile(`(?i)^[^;,]*[;,]\s*(?:url\s*=\s*)?["']?([^"']*)`),
}

// clean removes the key from the header of an answer that repeats the request's URL.
// Otherwise the client would follow it, show it, and send it on, as Referer too (F57,
// F173). Where the header names a URL, the scheme's parameters are removed from it, so
// that the next page is asked for with the key that is current by then.
func (x *exchange) clean(resp *http.Response) {
	params := x.t.places.params
	if len(params) == 0 && *x.out.URL == *x.req.URL {
		return // the scheme has put nothing into the URL
	}
	var secrets, long []string
	sent := x.out.URL.String()
	for _, s := range parts(x.a.Key()) {
		list := forms(s)
		if hide(sent, list) == sent {
			continue
		}
		secrets = append(secrets, list...)
		if len(s) >= shortest {
			long = append(long, list...)
		}
	}
	if len(params) == 0 && len(secrets) == 0 {
		return
	}
	for name, values := range resp.Header {
		find, hidden := urls[http.CanonicalHeaderKey(name)], secrets
		if find == nil {
			hidden = long
		}
		for i, v := range values {
			if find != nil {
				v = x.withoutParams(v, find, name == "Location")
			}
			if v = hide(v, hidden); v != values[i] {
				values = slices.Clone(values)
				values[i] = v
				resp.Header[name] = values
			}
		}
	}
}

// withoutParams removes the scheme's parameters from each URL that find finds in value,
// if the key may go to that URL, or anywhere.
func (x *exchange) withoutParams(value string, find *regexp.Regexp, anywhere bool) string {
	found := find.FindAllStringSubmatchIndex(value, -1)
	for _, m := range slices.Backward(found) {
		ref := value[m[2]:m[3]]
		rest, fragment, _ := strings.Cut(ref, "#")
		path, own, ok := strings.Cut(rest, "?")
		if !ok || !has(own, x.t.places.params) {
			continue
		}
		u, err := x.req.URL.Parse(path)
		if !anywhere && (err != nil || !x.t.origins.Has(&http.Request{URL: u})) {
			continue
		}
		if own = query.Without(own, x.t.places.params...); own != "" {
			path += "?" + own
		}
		if fragment != "" {
			path += "#" + fragment
		}
		value = value[:m[2]] + path + value[m[3]:]
	}
	return value
}

// holdsKey reports whether text has a key of the ring in it, in any of the forms that
// hide finds.
func (t *Transport) holdsKey(text string) bool {
	return t.ring.Has(func(key source.Key) bool { return scrub(text, key, nil) != text })
}
