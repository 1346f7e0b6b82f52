package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
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
	header0    string                   // the first of headers
	headers    []string                 // that the scheme sets
	params     []string                 // of the query, likewise
	needsKey   func(*http.Request) bool // nil: all do
	once       func(*http.Request) bool // nil: as the method says
	serial     func(*http.Request) bool // nil: none is
	turn       chan struct{}            // whose of the serial requests it is
	resyncer   Resyncer
	classifier Classifier // nil: RFC6750
	replay     func(*http.Request, *http.Response, Verdict) bool
	header     string // for the version, on responses
	origins    *origins
	warned     atomic.Bool // of callers' own keys
}

// New returns a transport that draws keys from ring and puts them on requests by
// scheme. It never fails: what is wrong with its arguments, every request will
// say, and [Transport.Err].
func New(ring *source.Ring, scheme Scheme, opts ...Option) *Transport {
	t, o := build(scheme, opts)
	if t.err == nil && ring == nil {
		t.err = fmt.Errorf("transport: %w: New was given no ring", source.ErrNoKey)
	}
	if t.err == nil {
		// A key that cannot be used is the ring's to report, now and later; a scheme
		// that cannot use what others can is to blame itself.
		slot, err := ring.Prepare(prepare(scheme))
		if t.slot = slot; slot < 0 {
			t.err = err
		}
	}
	if t.err == nil {
		t.draw(ring, o)
	}
	return t
}

// Keep is [source.Keep] and New in one: every key passes the scheme before it may
// be used, from the first set on, which New comes too late for. Closing the ring,
// t.Ring().Close(), ends it. Errors are those of source.Keep, or say what is
// wrong with the arguments.
func Keep(ctx context.Context, src source.Source, scheme Scheme, ring []source.Option, opts ...Option) (*Transport, error) {
	t, o := build(scheme, opts)
	if t.err != nil {
		return nil, t.err
	}
	kept, err := source.Keep(ctx, src, append([]source.Option{source.WithPrepare(prepare(scheme))}, ring...)...)
	if err != nil {
		return nil, err
	}
	t.draw(kept, o)
	return t, nil
}

// build makes a transport without a ring.
func build(scheme Scheme, opts []Option) (*Transport, *options) {
	o := &options{}
	for _, opt := range opts {
		if opt != nil {
			opt(o)
		}
	}
	t := &Transport{base: o.base, classifier: o.classifier, replay: o.replay, header: o.header}
	if t.base == nil {
		t.base = http.DefaultTransport // F45: as it is now
	}
	if t.replay == nil {
		t.replay = Replayable
	}
	if s, ok := scheme.(interface{ CredentialHeaders() []string }); ok {
		if t.headers = s.CredentialHeaders(); len(t.headers) > 0 {
			t.header0 = t.headers[0]
		}
	}
	if s, ok := scheme.(interface{ CredentialParams() []string }); ok {
		t.params = s.CredentialParams()
	}
	if s, ok := scheme.(interface{ NeedsKey(*http.Request) bool }); ok {
		t.needsKey = s.NeedsKey
	}
	if s, ok := scheme.(interface{ Once(*http.Request) bool }); ok {
		t.once = s.Once
	}
	if s, ok := scheme.(interface{ Serial(*http.Request) bool }); ok {
		t.serial, t.turn = s.Serial, make(chan struct{}, 1)
	}
	t.resyncer, _ = scheme.(Resyncer)
	if t.origins, t.err = newOrigins(o.origins, o.insecure); t.err == nil && scheme == nil {
		t.err = fmt.Errorf("transport: %w: no scheme", source.ErrNoKey)
	}
	return t, o
}

func prepare(scheme Scheme) func(source.Key) (any, error) {
	return func(key source.Key) (any, error) {
		signer, err := scheme.Prepare(key)
		if err == nil && signer == nil {
			err = fmt.Errorf("transport: %w: the scheme made no signer", source.ErrUnusable)
		}
		return signer, err
	}
}

func (t *Transport) draw(ring *source.Ring, o *options) {
	t.ring = ring
	if o.recycle {
		ring.Subscribe(func(e source.Event) {
			if e.Kind == source.Switched || e.Kind == source.RolledBack {
				t.CloseIdleConnections()
			}
		})
	}
}

// RoundTrip sends req with the key, and once more with another if the server
// refuses it. There is a third attempt where the keys change under the request,
// and one more where the source came up with a new key after all were refused:
// four at the very most. req stays as it is, and
// resp.Request is req: no secret leaves that way. Errors wrap those of package
// source, [ErrOrigin], [ErrInsecure], or are the base's.
func (t *Transport) RoundTrip(req *http.Request) (resp *http.Response, err error) {
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
	obs, before := observed(req.Context())
	if !bound || t.needsKey != nil && !t.needsKey(req) {
		if obs != nil {
			obs.note("", before+1, false)
		}
		return t.base.RoundTrip(req) // F53: a redirect elsewhere goes without the key
	}
	x := exchange{t: t, req: req}
	// The attempt begins ahead of the copying: its counter's atomic addition would
	// wait for all that the copying writes.
	var own bool
	x.a, err = t.ring.Attempt(req.Body == nil || req.Body == http.NoBody || req.GetBody != nil)
	x.out, own = t.copy(req)
	if own { // F47
		if err == nil {
			x.a.Drop()
		}
		if obs != nil {
			obs.note(CallersKey, before+1, false)
		}
		if !t.warned.Swap(true) {
			slog.WarnContext(req.Context(), "rollingkeys: a request comes with credentials of its own; it is sent as it is, without the ring's key")
		}
		return t.base.RoundTrip(req)
	}
	if err != nil {
		closeBody(req)
		return nil, err
	}
	x.body = newBody(req)
	defer x.end(&resp, &err)
	first := x.a.Version()
	for x.attempts = 1; ; x.attempts++ {
		resp, err = x.send()
		if obs != nil {
			obs.note(x.a.Version(), before+x.attempts, x.a.Version() != first)
		}
		if err != nil {
			return nil, err
		}
		verdict := Passed
		if resp.StatusCode >= http.StatusBadRequest || t.classifier != nil {
			verdict = t.classify(resp)
		}
		if verdict == Passed || verdict == Silent {
			x.passed(resp, verdict)
			return resp, nil
		}
		if !x.again(resp, verdict) {
			if err := req.Context().Err(); err != nil {
				drain(resp)
				return nil, err // F41
			}
			t.name(resp, &x.a)
			return resp, nil
		}
		drain(resp)
		x.out, _ = t.copy(req)
	}
}

// copy returns what is sent for req: a shallow copy of the struct and of the
// header map is all that differs. Request.Clone would lose trailers that are set
// at the body's end (F37). own reports whether req comes with credentials of its
// own: a header or query parameter that the scheme would set, be it empty, or
// user info, which net/http turns into Authorization.
func (t *Transport) copy(req *http.Request) (out *http.Request, own bool) {
	out = new(http.Request)
	*out = *req
	out.Header = make(http.Header, len(req.Header)+1+len(t.headers)/2)
	first := t.header0
	for k, v := range req.Header {
		if len(k) == len(first) && strings.EqualFold(k, first) { // F48: in whatever spelling
			own = true
		}
		out.Header[k] = v
	}
	if len(t.headers) > 1 {
		for _, h := range t.headers[1:] {
			own = own || has(req.Header, h)
		}
	}
	if req.URL.User != nil && slices.Contains(t.headers, "Authorization") {
		own = true
	}
	if len(t.params) > 0 && req.URL.RawQuery != "" {
		query := req.URL.Query()
		own = own || slices.ContainsFunc(t.params, query.Has)
	}
	return out, own
}

// has reports whether h has an entry of that name, in whatever spelling.
func has(h http.Header, name string) bool {
	for k := range h {
		if len(k) == len(name) && strings.EqualFold(k, name) {
			return true
		}
	}
	return false
}

// An exchange is one request on its way: its attempts, one after the other.
type exchange struct {
	t        *Transport
	req      *http.Request // the caller's
	out      *http.Request // what is sent for it
	a        source.Attempt
	body     body
	attempts int
	doubtful bool // the refusal before this attempt was
	resynced bool
	turn     bool // has the transport's
	signing  bool // by the scheme's code, which may panic
}

// send signs out with the attempt's key and sends it. An error ends the attempt.
func (x *exchange) send() (*http.Response, error) {
	t, out, body := x.t, x.out, x.body.current
	out.Body = body
	signer, ok := x.a.Prepared(t.slot).(Signer)
	if !ok {
		return nil, x.unsigned(source.ErrUnusable)
	}
	if t.serial != nil && t.serial(x.req) {
		if err := x.take(); err != nil {
			return nil, err
		}
	}
	x.signing = true
	err := signer.Sign(out)
	x.signing = false
	if err != nil {
		return nil, x.unsigned(err)
	}
	if replaced(body, out.Body) {
		closeReader(body) // the scheme sends another in its place
	}
	if t.once != nil && t.once(x.req) {
		sendOnce(out)
	}
	resp, err := t.base.RoundTrip(out)
	x.give()
	if err == nil && resp == nil {
		err = errors.New("transport: the base RoundTripper returned neither response nor error")
	}
	if err != nil {
		x.a.Unknown()
		if resp != nil { // F31
			closeReader(resp.Body)
		}
		return nil, redact(err, x.a.Key(), t.credentials(out))
	}
	if resp.Body == nil {
		resp.Body = http.NoBody
	}
	resp.Request = x.req // F43
	if len(t.params) > 0 {
		t.cleanLocation(resp, x.a.Key())
	}
	return resp, nil
}

// take waits for the transport's turn, so that nonces arrive as they grow.
func (x *exchange) take() error {
	ctx := x.req.Context()
	select {
	case x.t.turn <- struct{}{}:
		x.turn = true
		return nil
	case <-ctx.Done():
		x.a.Drop()
		closeReader(x.body.current)
		return context.Cause(ctx)
	}
}

func (x *exchange) give() {
	if x.turn {
		x.turn = false
		<-x.t.turn
	}
}

// unsigned ends an attempt that could not be signed.
func (x *exchange) unsigned(err error) error {
	x.a.Unknown()
	closeReader(x.body.current)
	return redact(fmt.Errorf("transport: signing with version %q: %w", x.a.Version(), err), x.a.Key(), nil)
}

// end lets go of what the exchange holds. A signer that panics fails the request,
// not the program, and what it panicked with, which may hold the secret, goes no
// further (F97); any other panic passes through.
func (x *exchange) end(resp **http.Response, err *error) {
	if x.signing && recover() != nil {
		*resp, *err = nil, x.unsigned(fmt.Errorf("%w: its signer panicked", source.ErrUnusable))
	}
	x.give()
	x.body.release()
	x.a.End()
}

// credentials are the values that the scheme gave its headers.
func (t *Transport) credentials(out *http.Request) []string {
	var values []string
	for _, h := range t.headers {
		values = append(values, out.Header[h]...)
	}
	return values
}

// passed tells the ring that resp is no refusal. That the key was accepted, only a
// success says; where another key was refused a moment ago, and without a doubt,
// any answer that is about the request does: but not one that a firewall may
// have given.
func (x *exchange) passed(resp *http.Response, v Verdict) {
	switch c := resp.StatusCode; {
	case v == Silent:
		x.a.Unknown()
	case c < http.StatusMultipleChoices, c == http.StatusNotModified:
		x.a.Accepted()
	case c >= http.StatusInternalServerError, c == http.StatusTooManyRequests,
		c == http.StatusProxyAuthRequired, c == http.StatusRequestTimeout,
		c == http.StatusForbidden, c == http.StatusTeapot, // Binance's word for a banned address
		x.attempts == 1, x.doubtful:
		x.a.Unknown()
	default:
		x.a.Accepted()
	}
	x.t.name(resp, &x.a)
}

func (t *Transport) name(resp *http.Response, a *source.Attempt) {
	if t.header != "" {
		if resp.Header == nil {
			resp.Header = make(http.Header)
		}
		resp.Header.Set(t.header, a.Version())
	}
}

// again decides whether a refused request is sent again, and with which key. If
// it is not, the attempt has been told its outcome, and resp is untouched.
func (x *exchange) again(resp *http.Response, v Verdict) bool {
	t, ctx := x.t, x.req.Context()
	may := t.mayReplay(x.req, resp, v)
	x.doubtful = v == Doubtful
	if v == Clock {
		learnt := t.resyncer != nil && t.resync(resp)
		if learnt && may && !x.resynced && x.body.renew(x.req) {
			x.a, x.resynced = x.a.Again(), true
			return true
		}
		x.a.Unknown()
		return false
	}
	// F31: the body is had before the refusal is drained; if it cannot be had,
	// the refusal goes back unread.
	if !may || ctx.Err() != nil || !x.body.renew(x.req) {
		if v == Doubtful || ctx.Err() != nil {
			x.a.Unknown()
		} else {
			x.a.Refused()
		}
		return false
	}
	next, ok := x.a.Next(ctx, v == Doubtful)
	if !ok {
		closeReader(x.body.current)
		return false
	}
	x.a = next
	return true
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
