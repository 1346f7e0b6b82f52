package transport

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// An exchange is one request with its attempts, one after the other.
type exchange struct {
	t        *Transport
	req      *http.Request // the caller's
	base     http.RoundTripper
	out      *http.Request // the copy that the attempt sends
	a        ring.Attempt
	body     body
	obs      *Observation // nil: the caller does not observe the request
	first    string       // the version of the first attempt
	sent     string       // the version of the last attempt that was sent
	refused  Verdict      // the verdict on the attempt before, if that was a refusal
	replace  bool         // the request has values in the scheme's places
	resynced bool         // the clock was learned once
	signing  bool         // the scheme's code runs, which may panic
}

// inTurn sends a sequential request. The attempt begins when the request's turn has
// come, and its outcome is reported before the turn of the next request. So if many
// requests wait, only one finds out that a key is refused.
func (t *Transport) inTurn(b body, base http.RoundTripper, obs *Observation, replace bool) (*http.Response, error) {
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
		return t.exchange(b, base, obs, replace)
	case <-b.req.Context().Done():
		b.close()
		return nil, b.req.Context().Err()
	}
}

// exchange sends the request, and sends it again as often as needed.
func (t *Transport) exchange(b body, base http.RoundTripper, obs *Observation, replace bool) (resp *http.Response, err error) {
	req := b.req
	x := &exchange{t: t, req: req, body: b, base: base, obs: obs, replace: replace}
	// The attempt begins before the request is copied: the atomic addition to its
	// counter would wait for the writes of the copy.
	if x.a, err = t.ring.Attempt(req.Context(), t.repeatable(x.body.view())); err != nil {
		x.body.close()
		return nil, err
	}
	x.out = copied(req)
	defer func() {
		// If the scheme panics, the request fails, not the program. The value of the panic
		// may hold the secret and is dropped (F97). Any other panic goes on.
		if x.signing && recover() != nil {
			resp, err = nil, x.unsigned(errPanicked)
		}
		x.body.release()
		x.a.End()
	}()
	x.first = x.a.Version()
	for {
		if resp, err = x.send(); err != nil {
			return nil, err
		}
		verdict := Passed
		if resp.StatusCode >= http.StatusBadRequest || t.classifier != nil {
			verdict = t.classify(resp)
		}
		if verdict == Passed || verdict == Inconclusive {
			x.passed(resp, verdict)
			x.body.over(resp)
			return resp, nil
		}
		if !x.again(resp, verdict) {
			if err := req.Context().Err(); err != nil {
				Drain(resp)
				x.body.over(nil)
				if verdict != ClockSkew {
					err = &refusedError{resp.StatusCode, x.sent, err} // F133
				}
				return nil, err // F41
			}
			t.name(resp, x.sent)
			x.body.over(resp)
			return resp, nil
		}
		Drain(resp)
		x.out = copied(req)
	}
}

// send signs out with the attempt's key and sends it. An error ends the attempt.
func (x *exchange) send() (*http.Response, error) {
	t, out := x.t, x.out
	if err := x.sign(); err != nil {
		return nil, err
	}
	if x.obs != nil {
		out = unobserved(out)
	}
	x.sent = x.a.Version()
	resp, err := x.base.RoundTrip(out)
	if x.obs != nil {
		x.obs.note(x.a.Version(), x.a.Version() != x.first)
	}
	if err == nil && resp == nil {
		err = errors.New("transport: the base RoundTripper returned neither a response nor an error")
	}
	if err != nil {
		x.a.Unknown()
		x.body.over(nil)
		if resp != nil { // F31
			closeReader(resp.Body)
		}
		return nil, redact(err, x.a.Key(), t.credentials(out))
	}
	if resp.Body == nil {
		resp.Body = http.NoBody
	}
	resp.Request = x.req // F43
	x.clean(resp)
	return resp, nil
}

// sign signs out with the attempt's key. An error ends the attempt.
func (x *exchange) sign() error {
	t, out := x.t, x.out
	x.body.onto(out)
	out.RemoteAddr = t.places.marked(out)
	sign, ok := x.a.Prepared(t.slot).(SignerFunc)
	if !ok {
		return x.unsigned(source.ErrUnusable)
	}
	x.signing = true
	var err error
	if x.replace {
		err = t.places.clear(out)
	}
	once := t.traits.NotIdempotent != nil && t.traits.NotIdempotent(x.req)
	if err == nil {
		err = sign(out)
	}
	x.signing = false
	if err != nil {
		return x.unsigned(err)
	}
	if replaced(x.body.current, out.Body) {
		closeReader(x.body.current) // the scheme has set another body
	}
	if once {
		sendOnce(out)
	}
	return nil
}

// unsigned ends an attempt that could not be signed.
func (x *exchange) unsigned(err error) error {
	x.a.Unknown()
	closeReader(x.body.current)
	return redact(fmt.Errorf("transport: signing with version %q: %w", x.a.Version(), err), x.a.Key(), nil)
}

var errPanicked = fmt.Errorf("%w: its scheme panicked", source.ErrUnusable)

// credentials returns the values that the scheme has set in its headers.
func (t *Transport) credentials(out *http.Request) []string {
	var values []string
	for _, h := range t.places.spellings {
		values = append(values, out.Header[h]...)
	}
	return values
}

// passed reports to the ring that resp is not a refusal. Only a success (2xx, 304)
// proves the key. After a refusal of another key that is not ambiguous, any answer that
// only the application can have given, such as a 404, proves it too; 403, 407, 408,
// 418, 429 and 5xx may come from a proxy and prove nothing.
func (x *exchange) passed(resp *http.Response, v Verdict) {
	opened(resp, &x.a)
	switch c := resp.StatusCode; {
	case v == Inconclusive:
		x.a.Unknown()
	case c == http.StatusForbidden:
		x.a.Denied(forbidden)
	case c < http.StatusMultipleChoices, c == http.StatusNotModified:
		x.a.Accepted()
	case c >= http.StatusInternalServerError, c == http.StatusTooManyRequests,
		c == http.StatusProxyAuthRequired, c == http.StatusRequestTimeout,
		c == http.StatusTeapot, // Binance answers 418 to a banned address
		x.refused == Passed, x.refused == Ambiguous:
		x.a.Unknown()
	default:
		x.a.Accepted()
	}
	x.t.name(resp, x.sent)
}

// forbidden is the advice about a version that only gets 403 (F138).
const forbidden = "each answer had the status 403: if the API refuses keys by it, use WithClassifier(transport.Statuses(401, 403)), " +
	"for client.FromEnv set ..._KEY_REFUSED=401,403, or use the API's profile"

// name sets the version header of resp, which may be nil. If version is empty, it deletes
// the header, which may be the server's: without a key any server can answer (F175).
func (t *Transport) name(resp *http.Response, version string) {
	switch {
	case t.header == "" || resp == nil:
	case version == "":
		resp.Header.Del(t.header)
	default:
		if resp.Header == nil {
			resp.Header = make(http.Header)
		}
		resp.Header.Set(t.header, version)
	}
}

// again decides whether a refused request is sent again, and with which key. If it is
// not, again has reported the outcome to the ring, and resp is unread.
func (x *exchange) again(resp *http.Response, v Verdict) bool {
	t, ctx := x.t, x.req.Context()
	r := refusal{resp.StatusCode, v}
	may := t.mayReplay(x.body.view(), resp, r) && ctx.Err() == nil && x.body.renewable()
	if v == ClockSkew {
		learnt := t.traits.Resync != nil && t.resync(resp)
		if learnt && may && !x.resynced && x.body.renew() {
			x.a.Again()
			x.resynced = true
			return true
		}
		x.body.resume()
		x.a.Unknown()
		return false
	}
	t.remember(r)
	switch {
	case !may && v == Ambiguous:
		x.a.Denied("")
		return false
	case !may && ctx.Err() != nil:
		x.a.Unknown()
		return false
	case !may:
		x.a.Refused()
		return false
	case !x.a.Next(ctx, v == Ambiguous):
		x.body.resume() // the server may send the rest of the refusal only after it has read the request
		return false
	case !x.body.renew(): // F31: the caller gets the refusal unread
		x.a.Unknown()
		return false
	}
	x.refused = v
	return true
}
