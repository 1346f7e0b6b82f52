// Package origin decides which origins a key may go to.
package origin

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"unicode/utf8"
)

var (
	// ErrOrigin is transport.ErrOrigin.
	ErrOrigin = errors.New("transport: the key may not be sent")
	// ErrInsecure is transport.ErrInsecure.
	ErrInsecure = errors.New("transport: no key over plain http")
)

// A Set holds the origins that a key may go to. Each is in normal form: lower case,
// with port. A Set is safe for concurrent use.
type Set struct {
	insecure bool
	allowed  atomic.Pointer[[]string] // nil: the first request decides

	// good is the scheme and host, as written in a URL, that was allowed last. With it
	// the usual request costs two comparisons of equal strings.
	good atomic.Pointer[written]
}

type written struct{ scheme, host string }

// New returns a Set of the listed origins. insecure allows plain http to any host. The
// error wraps ErrOrigin or ErrInsecure. An empty list is an error (F131).
func New(list []string, insecure bool) (*Set, error) {
	if len(list) == 0 {
		return nil, fmt.Errorf(`%w: no origin was named: name the API's, such as WithOrigin("https://api.example.com")`, ErrOrigin)
	}
	o := First(insecure)
	var allowed []string
	for _, s := range list {
		u, err := literal(s)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrOrigin, err)
		}
		n, err := o.normal(u.Scheme, u.Host)
		if err != nil {
			return nil, err
		}
		allowed = append(allowed, n)
	}
	o.allowed.Store(&allowed)
	return o, nil
}

// literal parses an origin. An origin to which no request can go, such as one with a
// wildcard, is an error (F139). It quotes nothing: somebody may have written the key there.
func literal(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case s == "":
		return nil, errors.New("an origin is empty: want one such as https://api.example.com")
	case err != nil || u.Host == "" || u.Opaque != "":
		return nil, errors.New("an origin has no scheme or no host: want one such as https://api.example.com")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Path != "" && u.Path != "/":
		return nil, errors.New("an origin has more than a scheme, a host and a port, such as a path: want one such as https://api.example.com")
	}
	switch lower(u.Scheme) {
	case "https", "wss", "http", "ws":
	default:
		return nil, errors.New("an origin begins with https://, or for loopback http://")
	}
	host := u.Hostname()
	switch port, err := strconv.ParseUint(cmp.Or(u.Port(), "1"), 10, 16); {
	case strings.Contains(host, "*"):
		return nil, errors.New("an origin has no wildcard: name each host, such as https://eu.example.com and https://us.example.com")
	case strings.ContainsFunc(host, func(r rune) bool { return r >= utf8.RuneSelf }):
		return nil, errors.New("the host of an origin is ASCII: write it as xn--")
	case strings.ContainsFunc(host, notInHost), strings.HasPrefix(host, "."), strings.Contains(host, ".."):
		return nil, errors.New("no host has such a name: an origin has one such as api.example.com")
	case err != nil || port == 0:
		return nil, errors.New("the port of an origin is not between 1 and 65535")
	}
	return u, nil
}

// notInHost reports whether r is in no host's name or address. "_" is in some names of
// internal hosts, ":" and "%" are in addresses of IPv6.
func notInHost(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-._:%", r))
}

// First returns a Set of the origin of the first request. insecure allows plain http to
// any host.
func First(insecure bool) *Set { return &Set{insecure: insecure} }

// Bound reports whether req may carry the key. For a redirect to another origin, and
// for all redirects after it, it returns false (F53 to F55). For any other request to
// another origin it returns an error.
func (o *Set) Bound(req *http.Request) (bool, error) {
	if g := o.good.Load(); g != nil && req.Response == nil && req.URL.Opaque == "" &&
		req.URL.Host == g.host && req.URL.Scheme == g.scheme && (req.Host == "" || req.Host == g.host) {
		return true, nil
	}
	n, err := o.normal(req.URL.Scheme, req.URL.Host)
	if err == nil && o.allowed.Load() == nil && o.alone(req, n) {
		o.allowed.CompareAndSwap(nil, &[]string{n})
	}
	redirected := req.Response != nil
	for hop := req.Response; hop != nil; {
		from := hop.Request
		if from == nil || !o.Has(from) {
			return false, nil
		}
		hop = from.Response
	}
	switch {
	case err == nil && o.Has(req):
		if req.Host == "" || req.Host == req.URL.Host {
			o.good.Store(&written{req.URL.Scheme, req.URL.Host})
		}
		return true, nil
	case redirected:
		return false, nil
	case err != nil:
		return false, err
	default:
		return false, o.elsewhere(req, n)
	}
}

// elsewhere returns the error about a request to the origin n, which is not allowed.
func (o *Set) elsewhere(req *http.Request, n string) error {
	var list []string
	if allowed := o.allowed.Load(); allowed != nil {
		for _, a := range *allowed {
			list = append(list, short(a))
		}
	}
	if !plainTarget(req) {
		return fmt.Errorf("%w: the URL of the request is opaque: give it a host and a path", ErrOrigin)
	}
	if len(list) == 0 || slices.Contains(list, short(n)) { // no request has bound the key, since this one names two hosts
		return fmt.Errorf("%w: the URL of the request names %s, but its Host field another host", ErrOrigin, short(n))
	}
	return fmt.Errorf("%w to %s: it is bound to %s: name every origin that may have it in WithOrigin", ErrOrigin, short(n), strings.Join(list, ", "))
}

// short returns an origin as people write it, without the port that its scheme implies.
func short(n string) string {
	if s, ok := strings.CutSuffix(n, ":443"); ok && strings.HasPrefix(n, "https:") {
		return s
	}
	if s, ok := strings.CutSuffix(n, ":80"); ok && strings.HasPrefix(n, "http:") {
		return s
	}
	return n
}

// alone reports whether req, and every request that it was redirected from, goes to the
// given origin, both by URL and by Host.
func (o *Set) alone(req *http.Request, origin string) bool {
	for {
		if req == nil || req.URL == nil || !plainTarget(req) {
			return false
		}
		for _, host := range []string{req.URL.Host, cmp.Or(req.Host, req.URL.Host)} {
			if n, err := o.normal(req.URL.Scheme, host); err != nil || n != origin {
				return false
			}
		}
		if req.Response == nil {
			return true
		}
		req = req.Response.Request
	}
}

// plainTarget reports whether the request line holds only a path. An opaque URL may put
// a whole URL there, and a proxy or gateway would follow that instead of Host (RFC 9112
// section 3.2.2).
func plainTarget(req *http.Request) bool {
	o := req.URL.Opaque
	return o == "" || strings.HasPrefix(o, "/") && !strings.HasPrefix(o, "//")
}

// Has reports whether req goes to one of the origins, both by its URL and by its Host.
func (o *Set) Has(req *http.Request) bool {
	allowed := o.allowed.Load()
	if allowed == nil || req.URL == nil || !plainTarget(req) {
		return false
	}
	n, err := o.normal(req.URL.Scheme, req.URL.Host)
	if err != nil || !slices.Contains(*allowed, n) {
		return false
	}
	if req.Host == "" || req.Host == req.URL.Host {
		return true
	}
	n, err = o.normal(req.URL.Scheme, req.Host)
	return err == nil && slices.Contains(*allowed, n)
}

// normal returns the normal form of an origin: lower case, no trailing dot, with port.
func (o *Set) normal(scheme, hostport string) (string, error) {
	var port string
	switch lower(scheme) {
	case "https", "wss":
		scheme, port = "https", "443"
	case "http", "ws":
		scheme, port = "http", "80"
	case "":
		return "", fmt.Errorf("%w: the URL is relative: want a scheme and a host, such as https://api.example.com/v1/things", ErrOrigin)
	default:
		return "", fmt.Errorf("%w: the URL has the scheme %q: want https or http", ErrOrigin, scheme)
	}
	host := hostport
	if h, p, err := net.SplitHostPort(hostport); err == nil {
		host = h
		if p != "" {
			port = p
		}
	} else {
		host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	}
	host = strings.TrimSuffix(lower(host), ".")
	switch {
	case host == "" || strings.ContainsAny(host, "@/\\ "):
		return "", fmt.Errorf("%w: the URL has no valid host: want one such as https://api.example.com", ErrOrigin)
	case strings.ContainsFunc(host, func(r rune) bool { return r >= utf8.RuneSelf }):
		return "", fmt.Errorf("%w: the host %q is not ASCII: write it as xn--", ErrOrigin, host)
	}
	if scheme == "http" && !o.insecure && !loopback(host) {
		return "", fmt.Errorf("%w to %s: use https, or transport.WithInsecureHTTP()", ErrInsecure, host)
	}
	return scheme + "://" + net.JoinHostPort(host, port), nil
}

// lower is strings.ToLower for ASCII only. Unicode has two other runes whose lower case
// is an ASCII letter, U+0130 and U+212A: a host with one of them only looks like the
// key's (F167).
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
