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

// An Opener makes a source of a source string. It takes the parameters that it
// knows out of query; what is left over is an error to [Parse]. Its own error
// says what is wrong and quotes nothing: Parse puts the string's name before it.
type Opener func(u *url.URL, query url.Values) (Source, error)

var openers struct {
	sync.RWMutex
	by map[string]Opener
}

// Register makes open answer for source strings of the given URL scheme. Source
// packages call it when they are imported, as database/sql drivers do. It panics
// if the scheme is taken.
func Register(scheme string, open Opener) {
	openers.Lock()
	defer openers.Unlock()
	if _, taken := openers.by[scheme]; taken || open == nil {
		panic("source: Register called twice, or with nil, for " + scheme)
	}
	if openers.by == nil {
		openers.by = make(map[string]Opener)
	}
	openers.by[scheme] = open
}

// Params are the parameters of a source string that are not the source's but its
// ring's: overlap, poll and max_stale, each only where the string has it. See
// ring.WithParams.
type Params map[string]time.Duration

// Parse opens the source that s names, such as
//
//	file:///run/secrets/key?format=json&overlap=1h
//	env://API_KEY
//	https://keys.example.com/v1/keys?poll=30s
//
// ring.Open keeps it live as well. The packages below source document the
// parameters of their own; these belong to the ring, and come back apart:
//
//	overlap     ring.WithOverlap, a duration such as 24h, or 0
//	poll        ring.WithPoll, a duration
//	max_stale   ring.WithMaxStale, a duration
//
// There is no place for a secret in such a string: user info, any parameter
// that nobody knows, and a fragment are errors; a # in a name is written %23.
// An error is an *[Error], wraps [ErrInvalid], and holds none of these.
func Parse(s string) (Source, Params, error) {
	fail := func(format string, args ...any) (Source, Params, error) {
		return nil, nil, &Error{Source: Redact(s), Err: fmt.Errorf("%w: %w", ErrInvalid, fmt.Errorf(format, args...))}
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" || u.Opaque != "" {
		return fail("not a source string such as file:///path")
	}
	if u.User != nil {
		return fail("a source string holds no credentials")
	}
	if strings.Contains(s, "#") {
		return fail("what follows a # would be ignored; a # in a name is written %%23")
	}
	openers.RLock()
	open := openers.by[u.Scheme]
	known := slices.Sorted(maps.Keys(openers.by))
	openers.RUnlock()
	if open == nil {
		return fail("unknown scheme; imported are: %s", strings.Join(known, ", "))
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return fail("malformed parameters")
	}
	params := make(Params)
	for _, name := range []string{"overlap", "poll", "max_stale"} {
		if !query.Has(name) {
			continue
		}
		text, n := query.Get(name), len(query[name])
		query.Del(name)
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 || n > 1 {
			return fail("%s is not one duration such as 90s", name)
		}
		params[name] = d
	}
	src, err := open(u, query)
	if _, named := err.(*Error); named {
		return nil, nil, err
	}
	if err != nil {
		return fail("%w", err)
	}
	if len(query) > 0 {
		return fail("it has %d parameters that nobody knows", len(query))
	}
	return src, params, nil
}

// Redact returns source string or URL s without its user info, and with no more
// of its parameters than that there are some, fit for errors and logs (F103). Of
// text that is no URL with a host or a path nothing is left but its scheme, if it
// has one: it may be the secret itself.
func Redact(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Opaque != "" || u.Scheme == "" || strings.Contains(u.Path, "@") {
		scheme, _, found := strings.Cut(s, "://")
		if !found || strings.ContainsFunc(scheme, func(r rune) bool { return r < 'a' || r > 'z' }) {
			return "source"
		}
		return scheme + "://..."
	}
	u.User, u.Fragment = nil, ""
	if u.RawQuery != "" {
		u.RawQuery = "..."
	}
	return u.String()
}
