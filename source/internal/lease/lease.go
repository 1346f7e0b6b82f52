// Package lease keeps a client open while it is used. A source that was opened from a source
// string owns its client but has no Close. So the client is closed when no reading and no
// Notify uses it any more (F104).
package lease

import "context"

// A Client opens a client of type T for the first user and closes it after the last. It is safe
// for concurrent use.
type Client[T any] struct {
	open  func(context.Context) (T, error)
	close func(T)

	turn chan struct{} // a lock for held: it has a token while it is locked
	held *held[T]      // the open client, or nil
}

type held[T any] struct {
	client  T
	holders int
}

// Given returns a Client for a client that the caller has opened. It is never closed.
func Given[T any](client T) *Client[T] {
	return &Client[T]{held: &held[T]{client: client}}
}

// New returns a Client that calls open and close. While open runs, other calls of Get wait.
func New[T any](open func(context.Context) (T, error), close func(T)) *Client[T] {
	return &Client[T]{open: open, close: close, turn: make(chan struct{}, 1)}
}

// Get returns the client, which it opens if necessary. The client stays open until every caller
// of Get has called its release, which each must do once. The error is that of open or ctx.
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

// Renew makes the next Get open another client, since the login of the present one is no longer
// valid. Those who have got the present client keep it until they release it.
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
