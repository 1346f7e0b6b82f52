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

// mayReplay asks the replay policy. One that panics has said no (F97).
func (t *Transport) mayReplay(req *http.Request, resp *http.Response, v Verdict) (may bool) {
	defer func() {
		if recover() != nil {
			may = false
		}
	}()
	return t.replay(req, resp, v)
}

// A refusal is an answer that refused a key, reduced to its status.
type refusal struct {
	resp    *http.Response
	verdict Verdict
}

// remember keeps what kind of refusal it was, for repeatable.
func (t *Transport) remember(resp *http.Response, v Verdict) {
	if r := t.last.Load(); r != nil && r.resp.StatusCode == resp.StatusCode && r.verdict == v {
		return
	}
	t.last.Store(&refusal{&http.Response{
		Status: resp.Status, StatusCode: resp.StatusCode, Header: http.Header{}, Body: http.NoBody,
	}, v})
}

// repeatable reports whether req could be sent again if its key were refused: its
// body can be had again, and the replay policy allows it after an answer such as
// the last refusal. Until there was one, the body alone decides.
func (t *Transport) repeatable(req *http.Request) bool {
	if streamed(req) {
		return false
	}
	r := t.last.Load()
	return r == nil || t.mayReplay(req, r.resp, r.verdict)
}

// Replayable is the default replay policy. A 401 says that the request was not
// carried out (RFC 9110 section 15.5.2), and so do the verdicts
// RefusedUnapplied, Doubtful and Clock: the request may be sent again, whatever
// its method. After any other refusal only requests of a safe method, or with
// an Idempotency-Key, are (F67). As the default it takes a request that the
// scheme's Once method names for one of no safe method; a policy of the caller's
// that calls it has to see to that itself.
func Replayable(req *http.Request, resp *http.Response, v Verdict) bool {
	return replayable(req, resp, v, nil)
}

func replayable(req *http.Request, resp *http.Response, v Verdict, once func(*http.Request) bool) bool {
	if resp.StatusCode == http.StatusUnauthorized || v != Refused {
		return true
	}
	switch req.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		if once == nil || !once(req) {
			return true
		}
	}
	return req.Header.Get("Idempotency-Key") != "" || req.Header.Get("X-Idempotency-Key") != ""
}
