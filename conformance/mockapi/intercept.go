package mockapi

import (
	"context"
	"net/http"
	"sync"
)

// An InterceptFunc is called after a request is authenticated and logged, and
// before it is answered. It returns true if it has answered the request; if it
// returns false, the server answers. It runs on the request's goroutine and may
// be called concurrently. It may block until the request's context ends, hijack
// the connection, or panic with http.ErrAbortHandler to cut the connection.
type InterceptFunc func(w http.ResponseWriter, r *http.Request, attempt Attempt) (answered bool)

// Intercept sets the InterceptFunc for requests from now on, in place of an
// earlier one. nil removes it.
func (a *API) Intercept(f InterceptFunc) {
	if f == nil {
		a.intercept.Store(nil)
		return
	}
	a.intercept.Store(&f)
}

// InterceptKeys sets a function that is called for each request for the key
// document, before its token is checked. It returns true if it has answered the
// request. nil removes it.
func (a *API) InterceptKeys(f func(http.ResponseWriter, *http.Request) (answered bool)) {
	if f == nil {
		a.interceptKeys.Store(nil)
		return
	}
	a.interceptKeys.Store(&f)
}

// A Hold delays the responses to requests with one version. The server decides on
// a request when it arrives, and answers it when the hold is released. A test can
// so make a late refusal. Its methods are safe for concurrent use.
type Hold struct {
	version string
	holds   *holds

	mu      sync.Mutex
	arrived int
	more    chan struct{} // closed and replaced at each arrival
	free    chan struct{} // closed by Release
	once    sync.Once
}

type holds struct {
	mu sync.Mutex
	by map[string]*Hold
}

// Hold begins to delay the responses to requests with the version; "" means
// requests without a known key. A second hold on the same version applies to
// later requests in place of the first, which must still be released. Close and
// Reset release the latest hold on each version.
func (a *API) Hold(version string) *Hold {
	h := &Hold{version: version, holds: &a.holds, more: make(chan struct{}), free: make(chan struct{})}
	a.holds.mu.Lock()
	defer a.holds.mu.Unlock()
	if a.holds.by == nil {
		a.holds.by = make(map[string]*Hold)
	}
	a.holds.by[version] = h
	return h
}

// Wait blocks until the hold has delayed n requests, released ones included, or
// ctx ends; then it returns the context's error.
func (h *Hold) Wait(ctx context.Context, n int) error {
	for {
		h.mu.Lock()
		arrived, more := h.arrived, h.more
		h.mu.Unlock()
		if arrived >= n {
			return nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Release ends the hold: all its responses are sent, and later ones are not
// delayed. Further calls do nothing.
func (h *Hold) Release() {
	h.once.Do(func() {
		h.holds.mu.Lock()
		if h.holds.by[h.version] == h {
			delete(h.holds.by, h.version)
		}
		h.holds.mu.Unlock()
		close(h.free)
	})
}

// pass waits while there is a hold on version. It returns false if the client
// disconnects or the server closes first.
func (hs *holds) pass(ctx context.Context, version string) bool {
	hs.mu.Lock()
	h := hs.by[version]
	hs.mu.Unlock()
	if h == nil {
		return true
	}
	h.mu.Lock()
	h.arrived++
	close(h.more)
	h.more = make(chan struct{})
	h.mu.Unlock()
	select {
	case <-h.free:
		return true
	case <-ctx.Done():
		return false
	}
}

// release ends the hold on version, if there is one.
func (hs *holds) release(version string) {
	hs.mu.Lock()
	h := hs.by[version]
	hs.mu.Unlock()
	if h != nil {
		h.Release()
	}
}

func (hs *holds) releaseAll() {
	hs.mu.Lock()
	var all []*Hold
	for _, h := range hs.by {
		all = append(all, h)
	}
	hs.mu.Unlock()
	for _, h := range all {
		h.Release()
	}
}
