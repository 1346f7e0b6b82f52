package transport

import (
	"context"
	"net/http"
	"sync"
)

// CallersKey is the version reported for a request that came with a credential of
// its own, and went out as it was ([WithPassThrough]).
const CallersKey = "caller"

// An Observation tells what became of a request. It is safe for concurrent use.
type Observation struct {
	mu       sync.Mutex
	version  string
	attempts int
	moved    bool
}

type observeKey struct{}

// Observe returns a context and what is to be known, once it is done, of the
// request that carries it. If several do, as in a chain of redirects or the
// tries of a retry library, it tells of the last, but for [Observation.Attempts],
// which adds up. Requests without one do not pay for it.
func Observe(ctx context.Context) (context.Context, *Observation) {
	o := &Observation{}
	return context.WithValue(ctx, observeKey{}, o), o
}

// observed returns the observation of ctx, if there is one.
func observed(ctx context.Context) *Observation {
	o, _ := ctx.Value(observeKey{}).(*Observation)
	return o
}

// unobserved returns out without its observation, so that a transport below this
// one does not count the attempt again.
func unobserved(out *http.Request) *http.Request {
	return out.WithContext(context.WithValue(out.Context(), observeKey{}, (*Observation)(nil)))
}

// note adds an attempt that was sent.
func (o *Observation) note(version string, moved bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.version, o.moved = version, moved
	o.attempts++
}

// Version names the key of the last attempt; [CallersKey] if it was the
// caller's own, empty if the request needed none, was redirected to
// another origin, or was not sent.
func (o *Observation) Version() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.version
}

// Attempts is how often requests with this observation were sent: attempts with
// another key, redirects and retries included.
func (o *Observation) Attempts() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.attempts
}

// Moved reports whether the answer came to another version than the one that
// the request left with: it fell back, or forward.
func (o *Observation) Moved() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.moved
}
