// Package lease keeps a client open for as long as somebody uses it. A source
// that was opened by a source string owns its client but is never closed, so
// that the end of the last reading and the last notification has to close it (F104).
package lease

import "context"

// A Client is a client of type T that is opened when it is first needed and
// closed when nobody holds it any more. It is safe for concurrent use.
type Client[T any] struct {
	open  func(context.Context) (T, error)
	close func(T)

	turn chan struct{} // holds one token while somebody opens or counts
	held *held[T]      // nil: to be opened
}

type held[T any] struct {
	client  T
	holders int
}

// Given returns a Client that is the caller's: always there, never closed.
func Given[T any](client T) *Client[T] {
	return &Client[T]{held: &held[T]{client: client}}
}

// New returns a Client that open opens and close closes. Others wait while open does.
func New[T any](open func(context.Context) (T, error), close func(T)) *Client[T] {
	return &Client[T]{open: open, close: close, turn: make(chan struct{}, 1)}
}

// Get returns the client. It stays open until release is called, once, by
// everybody who got it. The error is open's, or ctx's.
func (c *Client[T]) Get(ctx context.Context) (client T, release func(), err error) {
	if c.open == nil {
		return c.held.client, func() {}, nil
	}
	select {
	case c.turn <- struct{}{}:
	case <-ctx.Done():
		return client, nil, ctx.Err()
	}
	defer func() { <-c.turn }()
	h := c.held
	if h == nil {
		if client, err = c.open(ctx); err != nil {
			return client, nil, err
		}
		h = &held[T]{client: client}
		c.held = h
	}
	h.holders++
	return h.client, func() { c.release(h) }, nil
}

// Renew makes the next Get open another client, for one whose login is of no
// use any more. Who holds the present one keeps it.
func (c *Client[T]) Renew() {
	if c.open == nil {
		return
	}
	c.turn <- struct{}{}
	defer func() { <-c.turn }()
	c.held = nil
}

func (c *Client[T]) release(h *held[T]) {
	c.turn <- struct{}{}
	defer func() { <-c.turn }()
	if h.holders--; h.holders > 0 {
		return
	}
	if c.held == h {
		c.held = nil
	}
	c.close(h.client)
}
