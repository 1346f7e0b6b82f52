package source

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// An Opener opens the source that a source string names. It deletes the parameters that it
// knows from query: if any are left, [Parse] fails. Its error says what is wrong and quotes
// nothing of the string. Parse adds the name of the source.
type Opener func(u *url.URL, query url.Values) (Source, error)

var openers struct {
	sync.RWMutex
	by map[string]opener
}

// opener is an Opener with the names of its parameters.
type opener struct {
	open   Opener
	params []string
}

// Register makes [Parse] call open for source strings with the given URL scheme. A source
// package calls it in its init function, as a driver of database/sql does. params are the
// names of the parameters that open knows, for the error about an unknown one. Register
// panics if the scheme is registered already, or if open is nil.
func Register(scheme string, open Opener, params ...string) {
	openers.Lock()
	defer openers.Unlock()
	if _, taken := openers.by[scheme]; taken || open == nil {
		panic("source: Register called twice, or with nil, for " + scheme)
	}
	if openers.by == nil {
		openers.by = make(map[string]opener)
	}
	openers.by[scheme] = opener{open, params}
}

// Params are the parameters of a source string that are for the ring: overlap, poll and
// max_stale. A parameter that the string does not have is not in the map. See
// ring.WithParams.
type Params map[string]time.Duration

// Parse opens the source that s names, such as
//
//	file:///run/secrets/key?format=json&overlap=1h
//	env://API_KEY
//	https://keys.example.com/v1/keys?poll=30s
//
// ring.Open opens the source and keeps its keys live. The package of each source documents
// that source's parameters. These parameters are for the ring, and Parse returns them
// separately:
//
//	overlap     ring.WithOverlap, a duration such as 24h, or 0
//	poll        ring.WithPoll, a duration
//	max_stale   ring.WithMaxStale, a duration
//
// A source string contains no secret. User info, an unknown parameter and a fragment are
// errors. Write a # in a name as %23. The error is an [*Error] that wraps [ErrInvalid], or
// the opener's own [*Error]. It quotes no user info, parameter or fragment.
func Parse(s string) (Source, Params, error) {
	fail := func(format string, args ...any) (Source, Params, error) {
		return nil, nil, &Error{Source: Redact(s), Err: fmt.Errorf("%w: %w", ErrInvalid, fmt.Errorf(format, args...))}
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" || u.Opaque != "" {
		return fail("want a scheme, as in file:///run/secrets/api-key, with three slashes before a path")
	}
	if u.User != nil {
		return fail("a source string must not contain credentials")
	}
	if strings.Contains(s, "#") {
		return fail("the text after # would be ignored: write a # in a name as %%23")
	}
	openers.RLock()
	by, registered := openers.by[u.Scheme]
	known := slices.Sorted(maps.Keys(openers.by))
	openers.RUnlock()
	if !registered {
		return fail("%s", unknownScheme(u.Scheme, known))
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return fail("malformed parameters")
	}
	params := make(Params)
	for _, name := range ringParams {
		if !query.Has(name) {
			continue
		}
		text, n := query.Get(name), len(query[name])
		query.Del(name)
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 || n > 1 {
			return fail("%s must be one duration with its unit, such as 90s", name)
		}
		params[name] = d
	}
	src, err := by.open(u, query)
	if _, named := err.(*Error); named {
		return nil, nil, err
	}
	if err != nil {
		return fail("%w", err)
	}
	if len(query) > 0 {
		return fail("it has an unknown parameter: the parameters of %s are %s", u.Scheme,
			strings.Join(slices.Concat(by.params, ringParams), ", "))
	}
	return src, params, nil
}

// ringParams are the parameters that Parse takes for the ring.
var ringParams = []string{"overlap", "poll", "max_stale"}

// unknownScheme says what to do about a scheme that no package has registered.
func unknownScheme(scheme string, known []string) string {
	const module = "github.com/rollingkeys/rollingkeys/source/"
	switch scheme {
	case "env", "file", "aws", "azure", "etcd", "gcp", "kubernetes", "nats", "vault":
		return fmt.Sprintf("its package is not in the program: import _ %q", module+scheme)
	case "http", "https":
		return fmt.Sprintf("its package is not in the program: import _ %q", module+"remote")
	case "redis", "rediss":
		return fmt.Sprintf("its package is not in the program: import _ %q", module+"redis")
	case "oauth2":
		return "it cannot be opened from a string: see package " + module + "oauth"
	}
	return "its scheme is unknown: the program has " + strings.Join(known, ", ") + "; for another source import its package, such as " + module + "vault"
}

// Redact returns the source string or URL s in a form for errors and logs. It drops
// the user info and the fragment, and replaces the parameters with "...". If s is not a URL
// with a host or a path, it may be the secret itself: Redact then returns its scheme and
// "://...", or "source string".
func Redact(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Opaque != "" || u.Scheme == "" || strings.Contains(u.Path, "@") {
		scheme, _, found := strings.Cut(s, "://")
		if !found || strings.ContainsFunc(scheme, func(r rune) bool { return r < 'a' || r > 'z' }) {
			return "source string"
		}
		return scheme + "://..."
	}
	u.User, u.Fragment = nil, ""
	if u.RawQuery != "" {
		u.RawQuery = "..."
	}
	return u.String()
}
