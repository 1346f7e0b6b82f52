package transport

import (
	"errors"
	"io"
	"net/http"
	"sync"
)

// body gives each attempt a body of its own.
type body struct {
	current io.ReadCloser
	kept    *keptBody
}

func newBody(req *http.Request) body {
	b := body{current: req.Body}
	if streamed(req) && req.Header["Expect"] != nil {
		// F38: a server that refuses before "100 Continue" leaves the body
		// untouched; it can be sent again although it cannot be had again.
		b.kept = &keptBody{body: req.Body}
		b.current = b.kept
	}
	return b
}

// streamed reports whether req has a body that cannot be had again.
func streamed(req *http.Request) bool {
	return req.Body != nil && req.Body != http.NoBody && req.GetBody == nil
}

// renew makes the body ready for another attempt, or reports that it cannot be:
// only a fresh reader will do, since the first attempt's may still be read (F35).
func (b *body) renew(req *http.Request) bool {
	switch {
	case req.Body == nil || req.Body == http.NoBody:
		return true
	case b.kept != nil:
		fresh := b.kept.take()
		if fresh == nil {
			return false
		}
		b.kept, b.current = fresh, fresh
		return true
	case req.GetBody == nil:
		return false // F34
	}
	fresh, err := req.GetBody()
	if err != nil || fresh == nil {
		return false
	}
	b.current = fresh
	return true
}

// release lets go of a body that no further attempt will want.
func (b *body) release() {
	if b.kept != nil {
		b.kept.release()
	}
}

// keptBody puts off closing the body until something was read of it, or no
// attempt wants it any more.
type keptBody struct {
	mu       sync.Mutex
	body     io.ReadCloser
	read     bool
	closed   bool
	taken    bool
	released bool
	ended    bool
}

var errTaken = errors.New("transport: the body is closed, or went to another attempt")

func (k *keptBody) Read(p []byte) (int, error) {
	k.mu.Lock()
	if k.taken || k.closed {
		k.mu.Unlock()
		return 0, errTaken
	}
	k.read = true
	k.mu.Unlock()
	return k.body.Read(p)
}

func (k *keptBody) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.taken {
		return nil
	}
	k.closed = true
	if k.read || k.released {
		return k.end()
	}
	return nil
}

// end closes the body, once.
func (k *keptBody) end() error {
	if k.ended {
		return nil
	}
	k.ended = true
	return k.body.Close()
}

func (k *keptBody) release() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.released = true
	if k.closed && !k.taken {
		_ = k.end()
	}
}

// take returns the body for another attempt, nil if it was read.
func (k *keptBody) take() *keptBody {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.read {
		return nil
	}
	k.taken = true
	return &keptBody{body: k.body}
}

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
	defer func() {
		if recover() != nil {
			may = false
		}
	}()
	if t.replay == nil {
		return replayable(req, r, t.once)
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
// RefusedUnapplied, Doubtful and Clock: the request may be sent again, whatever
// its method. After any other refusal only requests of a safe method, or with
// an Idempotency-Key, are (F67). As the default it takes a request that the
// scheme's Once method names for one of no safe method; a policy of the caller's
// that calls it has to see to that itself.
func Replayable(req *http.Request, resp *http.Response, v Verdict) bool {
	return replayable(req, refusal{resp.StatusCode, v}, nil)
}

func replayable(req *http.Request, r refusal, once func(*http.Request) bool) bool {
	return !r.applied() || safe(req) && (once == nil || !once(req)) || keyed(req)
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
