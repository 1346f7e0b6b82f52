package exchange

import (
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
)

// An Order is one order that the exchange has accepted.
type Order struct {
	Time time.Time
	// Version is the key version of the request that placed it.
	Version string
	// ClientID is the client order ID.
	ClientID string
	// Canceled is how often it was canceled.
	Canceled int
}

// Orders returns the accepted orders, oldest first.
func (e *Exchange) Orders() []Order {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]Order(nil), e.orders...)
}

// ServeHTTP answers accepted requests and applies orders. It ignores whether a
// client order ID was used before, so an order that a client sends twice appears
// twice.
func (e *Exchange) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // without the whole body apply nothing
	}
	w.Header().Set("Content-Type", "application/json")
	version := w.Header().Get(mockapi.VersionHeader)
	if isLogin(r) {
		_, _ = io.WriteString(w, e.venue.message(http.StatusOK, "{}"))
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

// apply records an order or a cancellation. It returns false if the order has no
// ID, or if there is no order to cancel.
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
