package mockapi

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"time"
)

// maxOrderBody is how many bytes of an order's body are kept: 64 KiB.
const maxOrderBody = 64 << 10

// An Order is one POST /orders that was applied.
type Order struct {
	Time time.Time `json:"time"`
	// Attempt is the Seq of the attempt that placed it.
	Attempt uint64 `json:"attempt"`
	Version string `json:"version"`
	// ClientID is the header Idempotency-Key, or else the string client_order_id
	// of a JSON body; empty if there is neither.
	ClientID string `json:"client_id,omitempty"`
	// Length and Sum, a SHA-256 in hex, are those of the whole body. Body is its
	// first 64 KiB.
	Length int64  `json:"length"`
	Sum    string `json:"sum"`
	Body   []byte `json:"body,omitempty"`
}

type book struct {
	mu     sync.Mutex
	orders []Order
}

func (b *book) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.orders = nil
}

// Orders returns the applied orders, oldest first.
func (a *API) Orders() []Order {
	a.book.mu.Lock()
	defer a.book.mu.Unlock()
	return slices.Clone(a.book.orders)
}

func isOrder(r *http.Request) bool { return r.Method == http.MethodPost && r.URL.Path == "/orders" }

// apply reads the request's body to its end and, for POST /orders, adds the order.
// If the body cannot be read to its end, no order is added.
func (a *API) apply(r *http.Request, body *recorder) error {
	var head bytes.Buffer
	if isOrder(r) {
		body.keep = &head
	}
	if err := body.readAll(); err != nil || !isOrder(r) {
		return err
	}
	order := Order{
		Time: now(), Attempt: body.attempt.Seq, Version: body.attempt.Version,
		ClientID: r.Header.Get("Idempotency-Key"),
		Length:   body.n, Sum: body.hex(), Body: head.Bytes(),
	}
	if order.ClientID == "" {
		var fields struct {
			ID string `json:"client_order_id"`
		}
		if json.Unmarshal(order.Body, &fields) == nil {
			order.ClientID = fields.ID
		}
	}
	a.book.mu.Lock()
	defer a.book.mu.Unlock()
	a.book.orders = append(a.book.orders, order)
	return nil
}
