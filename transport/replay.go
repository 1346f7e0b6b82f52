package transport

import "net/http"

// A refusal is an answer that refused a key, reduced to what a replay policy needs.
type refusal struct {
	status  int
	verdict Verdict
}

// applied reports whether the refused request may have been carried out.
func (r refusal) applied() bool { return r.status != http.StatusUnauthorized && r.verdict == Refused }

// mayReplay asks the replay policy about a refusal, or, without resp, about one
// that is to be expected. A policy that panics has said no (F97).
func (t *Transport) mayReplay(req *http.Request, resp *http.Response, r refusal) (may bool) {
	if t.replay == nil && !r.applied() {
		return true // and no function of others is asked
	}
	defer func() {
		if recover() != nil {
			may = false
		}
	}()
	if t.replay == nil {
		return replayable(req, r, t.traits.NotIdempotent)
	}
	if resp == nil {
		resp = &http.Response{StatusCode: r.status, Body: http.NoBody, Request: req}
	}
	return t.replay(req, resp, r.verdict)
}

// remember keeps what kind of refusals there are, for repeatable: if several, one
// after which an order is not sent again.
func (t *Transport) remember(r refusal) {
	if last := t.last.Load(); last == nil || *last != r && (r.applied() || !last.applied()) {
		kept := r // and r stays on the stack
		t.last.Store(&kept)
	}
}

// repeatable reports whether req could be sent again if its key were refused: its
// body can be had again, and the replay policy allows it after the refusal that is
// to be expected.
func (t *Transport) repeatable(req *http.Request) bool {
	if streamed(req) {
		return false
	}
	switch last := t.last.Load(); {
	case last != nil:
		return t.mayReplay(req, nil, *last)
	case t.classifier != nil:
		return t.mayReplay(req, nil, refusal{http.StatusForbidden, Refused}) // it may come to that
	}
	return true // as a rule, RFC6750 knows 401s only
}

// Replayable is the default replay policy. A 401 says that the request was not
// carried out (RFC 9110 section 15.5.2), and so do the verdicts
// RefusedUnapplied, Ambiguous and ClockSkew: the request may be sent again, whatever
// its method. After any other refusal only requests of a safe method, or with
// an Idempotency-Key, are (F67). As the default it takes a request that is
// not idempotent by the scheme's [Traits] for one of no safe method; a policy of the
// caller's that calls it has to see to that itself.
func Replayable(req *http.Request, resp *http.Response, v Verdict) bool {
	return replayable(req, refusal{resp.StatusCode, v}, nil)
}

func replayable(req *http.Request, r refusal, effect func(*http.Request) bool) bool {
	return !r.applied() || safe(req) && (effect == nil || !effect(req)) || keyed(req)
}

func safe(req *http.Request) bool {
	switch req.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	return false
}

func keyed(req *http.Request) bool {
	return req.Header.Get("Idempotency-Key") != "" || req.Header.Get("X-Idempotency-Key") != ""
}
