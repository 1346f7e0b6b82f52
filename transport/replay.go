package transport

import "net/http"

// A refusal is the part of a refused answer that a replay policy needs.
type refusal struct {
	status  int
	verdict Verdict
}

// applied reports whether the refused request may have been carried out.
func (r refusal) applied() bool { return r.status != http.StatusUnauthorized && r.verdict == Refused }

// mayReplay asks the replay policy about a refusal; if resp is nil, about an expected
// refusal. A policy that panics forbids the replay (F97).
func (t *Transport) mayReplay(req *http.Request, resp *http.Response, r refusal) (may bool) {
	if t.replay == nil && !r.applied() {
		return true // no foreign function is called, so no deferred recover is needed
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

// remember stores the refusal that repeatable expects. If the server refuses in several
// ways, it keeps a refusal after which the request may have been carried out, since
// then less may be sent again.
func (t *Transport) remember(r refusal) {
	if last := t.last.Load(); last == nil || *last != r && (r.applied() || !last.applied()) {
		kept := r // so that r stays on the stack
		t.last.Store(&kept)
	}
}

// repeatable reports whether req could be sent again if its key were refused: its body
// can be read again, and the replay policy allows it after the expected refusal.
func (t *Transport) repeatable(req *http.Request) bool {
	if streamed(req) {
		return false
	}
	switch last := t.last.Load(); {
	case last != nil:
		return t.mayReplay(req, nil, *last)
	case t.classifier != nil:
		return t.mayReplay(req, nil, refusal{http.StatusForbidden, Refused}) // the strictest case that a custom classifier can return
	}
	return true // RFC6750 refuses almost only by 401
}

// Replayable is the default replay policy. After a 401 any request may be sent again: a
// 401 says that the request was not carried out (RFC 9110 section 15.5.2). So do the
// verdicts RefusedUnapplied, Ambiguous and ClockSkew. After any other refusal only a
// request with a safe method or an Idempotency-Key may be sent again.
//
// As the default policy it also treats a request that is not idempotent by the scheme's
// [Traits] as unsafe. A custom policy that calls Replayable must check that itself.
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
