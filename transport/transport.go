package transport

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/rollingkeys/rollingkeys/source"
)

// A Transport is an http.RoundTripper that puts the current key of a ring on
// each request, and falls back to a previous one when the server refuses it.
// It is safe for concurrent use. Make one for each ring and scheme, and keep it.
type Transport struct {
	ring *source.Ring
	slot int
	err  error // why no request can be sent

	base       http.RoundTripper
	headers    []string                 // that the scheme sets
	spellings  []string                 // of those, that a caller's own may have
	params     []string                 // of the query, likewise
	needsKey   func(*http.Request) bool // nil: all do
	once       func(*http.Request) bool // nil: as the method says
	serial     func(*http.Request) bool // nil: none is
	turn       chan struct{}            // whose of the serial requests it is
	resyncer   Resyncer
	classifier Classifier                                        // nil: RFC6750
	replay     func(*http.Request, *http.Response, Verdict) bool // nil: replayable
	last       atomic.Pointer[refusal]                           // nil: none yet
	header     string                                            // for the version, on responses
	origins    *origins
	warned     atomic.Bool // of callers' own keys
}

// RoundTrip sends req with the key, and once more with another if the server
// refuses it. There is a third attempt where the keys change under the request,
// and one more where the source came up with a new key after all were refused:
// four at the very most, and a fifth if the server's clock was learned from an
// answer ([Resyncer]). req stays as it is, and resp.Request is req: no secret
// leaves that way. Errors wrap those of package source, [ErrOrigin],
// [ErrInsecure], or are the base's.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if t == nil || t.base == nil {
		closeBody(req)
		return nil, fmt.Errorf("transport: %w: the Transport was not made by New", source.ErrNoKey)
	}
	if t.err != nil {
		closeBody(req)
		return nil, t.err
	}
	if req == nil || req.URL == nil {
		closeBody(req)
		return nil, errors.New("transport: the request has no URL")
	}
	bound, err := t.origins.bound(req)
	if err != nil {
		closeBody(req)
		return nil, err
	}
	if bound && t.needsKey != nil {
		if bound, err = ask(t.needsKey, req); err != nil {
			closeBody(req)
			return nil, err
		}
	}
	obs := observed(req.Context())
	if !bound {
		return t.pass(req, obs, "") // F53: a redirect elsewhere goes without the key
	}
	if t.own(req) { // F47
		if !t.warned.Swap(true) {
			slog.WarnContext(req.Context(), "rollingkeys: a request comes with credentials of its own; it is sent as it is, without the ring's key")
		}
		return t.pass(req, obs, CallersKey)
	}
	serial := false
	if t.serial != nil {
		if serial, err = ask(t.serial, req); err != nil {
			closeBody(req)
			return nil, err
		}
	}
	if serial {
		// The key is chosen when the turn has come, and the outcome told before the
		// next one's: of many that wait, one finds out that a key is refused.
		select {
		case t.turn <- struct{}{}:
			defer func() { <-t.turn }()
		case <-req.Context().Done():
			closeBody(req)
			return nil, req.Context().Err()
		}
	}
	return t.exchange(req, obs)
}

// pass sends req as it is, without a key of the ring's.
func (t *Transport) pass(req *http.Request, obs *Observation, version string) (*http.Response, error) {
	if obs == nil {
		return t.base.RoundTrip(req)
	}
	obs.note(version, false)
	resp, err := t.base.RoundTrip(unobserved(req))
	if resp != nil {
		resp.Request = req
	}
	return resp, err
}

// ask calls a method of the scheme's. One that panics fails the request (F97).
func ask(method func(*http.Request) bool, req *http.Request) (yes bool, err error) {
	defer func() {
		if recover() != nil {
			err = fmt.Errorf("transport: %w: its scheme panicked", source.ErrUnusable)
		}
	}()
	return method(req), nil
}

// own reports whether req comes with credentials of its own: a header or query
// parameter that the scheme would set, be it empty, or user info, which net/http
// turns into Authorization. A header counts in its canonical spelling, which is that
// of [http.Header], in lower and in upper case, and as the scheme has it.
func (t *Transport) own(req *http.Request) bool {
	switch {
	case len(req.Header) > 0 && hasOne(req.Header, t.spellings),
		req.URL.User != nil && slices.Contains(t.headers, "Authorization"):
		return true
	}
	return len(t.params) > 0 && req.URL.RawQuery != "" && slices.ContainsFunc(t.params, req.URL.Query().Has)
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

// copied returns what is sent for req: a shallow copy of the struct and of the
// header map is all that differs. Request.Clone would lose trailers that are set
// at the body's end (F37).
func copied(req *http.Request) *http.Request {
	out := new(http.Request)
	*out = *req
	if out.Header = maps.Clone(req.Header); out.Header == nil { // copies groups of entries, and hashes no name
		out.Header = make(http.Header)
	}
	return out
}

// Err returns what is wrong with the arguments of New, which every request would
// fail with; nil if nothing is.
func (t *Transport) Err() error {
	if t == nil {
		return nil
	}
	return t.err
}

// Ring returns the ring that t draws from.
func (t *Transport) Ring() *source.Ring {
	if t == nil {
		return nil
	}
	return t.ring
}

// CloseIdleConnections closes the idle connections of the base, if it can (F44).
func (t *Transport) CloseIdleConnections() {
	if t == nil {
		return
	}
	if c, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

func closeBody(req *http.Request) {
	if req != nil {
		closeReader(req.Body)
	}
}

func closeReader(c io.ReadCloser) {
	if c != nil {
		_ = c.Close()
	}
}
