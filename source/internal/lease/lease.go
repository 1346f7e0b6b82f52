// Package lease keeps a client open for as long as somebody uses it. A source
// that was opened by a source string owns its client but is never closed, so
// that the end of the last reading and the last notification has to close it (F104).
package lease

import (
	"context"
	"sync"
)

// A Client is a client of type T that is opened when it is first needed and
// closed when nobody holds it any more. It is safe for concurrent use.
type Client[T any] struct {
	open  func(context.Context) (T, error)
	close func(T)

	mu      sync.Mutex
	holders int
	client  T
}

// Given returns a Client that is the caller's: always there, never closed.
func Given[T any](client T) *Client[T] {
	return &Client[T]{client: client}
}

// New returns a Client that open opens, which must not wait for the network,
// and close closes.
func New[T any](open func(context.Context) (T, error), close func(T)) *Client[T] {
	return &Client[T]{open: open, close: close}
}

// Get returns the client. It stays open until release is called, once, by
// everybody who got it.
func (c *Client[T]) Get(ctx context.Context) (client T, release func(), err error) {
	if c.open == nil {
		return c.client, func() {}, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.holders == 0 {
		if c.client, err = c.open(ctx); err != nil {
			var none T
			c.client = none
			return none, nil, err
		}
	}
	c.holders++
	return c.client, c.release, nil
}

func (c *Client[T]) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.holders--; c.holders > 0 {
		return
	}
	client := c.client
	var none T
	c.client = none
	c.close(client)
}
