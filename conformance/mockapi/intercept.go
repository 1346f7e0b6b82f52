package mockapi

import (
	"context"
	"net/http"
	"sync"
)

// An InterceptFunc sees a request after it was judged and before it is
// answered. It reports whether it answered; otherwise the server does. It runs on
// the request's goroutine, several at once, and may wait, as long as it heeds
// the request's context; hijack; or panic with http.ErrAbortHandler to cut the
// connection.
type InterceptFunc func(w http.ResponseWriter, r *http.Request, attempt Attempt) (answered bool)

// Intercept sets the one InterceptFunc from now on; nil takes it away.
func (a *API) Intercept(f InterceptFunc) {
	if f == nil {
		a.intercept.Store(nil)
		return
	}
	a.intercept.Store(&f)
}

// InterceptKeys sets a function that sees requests for the key document first,
// before its token is checked, and reports whether it answered; nil takes it away.
func (a *API) InterceptKeys(f func(http.ResponseWriter, *http.Request) (answered bool)) {
	if f == nil {
		a.interceptKeys.Store(nil)
		return
	}
	a.interceptKeys.Store(&f)
}

// A Hold keeps back the answers to requests with one version, which are judged
// when they come and answered when the hold is released: a late refusal (F59).
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

// Hold begins to hold the answers to requests with the version; "" means requests
// without a known key. A new hold on the same version takes the place of the
// earlier one, which still has to be released. Close and Reset release all.
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

// Wait blocks until n requests have been held, counting those released since, or ctx ends.
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

// Release lets all answers go, and holds no more. It may be called again.
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

// pass waits while version is held. It reports false when the client or the
// server went away.
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
