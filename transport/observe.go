package transport

import (
	"context"
	"net/http"
	"sync"
)

// CallersKey is the version that an [Observation] reports for a request that was sent
// with the caller's own credential ([WithPassThrough]).
const CallersKey = "caller"

// An Observation reports what happened to a request. It is safe for concurrent use.
type Observation struct {
	mu       sync.Mutex
	version  string
	attempts int
	moved    bool
}

type observeKey struct{}

// Observe returns a context for a request, and an Observation that reports what
// happened to the request once it is done. If several requests carry the context, such
// as a chain of redirects or the retries of a library, the Observation reports the
// last; only [Observation.Attempts] adds up. Requests without an Observation have no
// cost.
func Observe(ctx context.Context) (context.Context, *Observation) {
	o := &Observation{}
	return context.WithValue(ctx, observeKey{}, o), o
}

// observed returns the observation of ctx, or nil.
func observed(ctx context.Context) *Observation {
	o, _ := ctx.Value(observeKey{}).(*Observation)
	return o
}

// unobserved returns out without its observation, so that a transport below this one
// does not count the attempt a second time.
func unobserved(out *http.Request) *http.Request {
	return out.WithContext(context.WithValue(out.Context(), observeKey{}, (*Observation)(nil)))
}

// note records an attempt that was sent.
func (o *Observation) note(version string, moved bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.version, o.moved = version, moved
	o.attempts++
}

// Version returns the version of the key of the last attempt. It is [CallersKey] if the
// request had a credential of its own. It is empty if the request needed no key, was
// redirected to another origin, or was not sent.
func (o *Observation) Version() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.version
}

// Attempts returns how often requests with this observation were sent, including
// attempts with another key, redirects and retries.
func (o *Observation) Attempts() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.attempts
}

// Moved reports whether the last attempt used another version than the first: the
// request fell back or fell forward.
func (o *Observation) Moved() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.moved
}
