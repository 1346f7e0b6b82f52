package exchange

import (
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
)

// An Order is one order that was taken.
type Order struct {
	Time time.Time
	// Version is that of the key that it was placed with.
	Version string
	// ClientID is the client order id, as it came.
	ClientID string
	// Canceled counts how often it was canceled.
	Canceled int
}

// Orders returns the orders taken, oldest first.
func (e *Exchange) Orders() []Order {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]Order(nil), e.orders...)
}

// ServeHTTP answers requests that were accepted. Orders are applied once for each
// such request, without any look at whether their client order id was there
// before: what a client sends twice shows twice.
func (e *Exchange) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // it broke off: nothing is applied
	}
	w.Header().Set("Content-Type", "application/json")
	version := w.Header().Get(mockapi.VersionHeader)
	if isLogin(r) {
		_, _ = io.WriteString(w, `{"login":"`+version+`"}`)
		return
	}
	q := newRequest(r, body, e.now(), 0)
	kind, id := e.venue.match(q)
	if kind == other || !e.apply(kind, id, version) {
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"mock":"no such endpoint or order"}`)
		return
	}
	_, _ = io.WriteString(w, strings.ReplaceAll(e.venue.actions[kind].reply, "{id}", id))
}

// apply enters a request in the books, and reports false if it asks for nothing
// that there is.
func (e *Exchange) apply(kind actionKind, id, version string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch kind {
	case place:
		if id == "" {
			return false
		}
		e.byID[id] = append(e.byID[id], len(e.orders))
		e.orders = append(e.orders, Order{Time: time.Now(), Version: version, ClientID: id})
	case cancel:
		for _, i := range e.byID[id] {
			e.orders[i].Canceled++
		}
		return len(e.byID[id]) > 0
	}
	return true
}
