package drill

import (
	"slices"
	"sync"
	"testing"
)

// A Checker is the part of a server that checks keys. It identifies a key by a name: a
// version, an id or a secret. Set guards its fields.
type Checker struct {
	mu       sync.Mutex
	Accepted []string
	Seen     []string // the key of each request
	Served   map[string]int
	Refused  int
}

// Set calls change while it holds the lock.
func (c *Checker) Set(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
}

// Accept makes the server accept only these keys.
func (c *Checker) Accept(names ...string) { c.Set(func() { c.Accepted = names }) }

// Check reports whether a request with the key passes.
func (c *Checker) Check(name string) (ok bool) {
	c.Set(func() {
		c.Seen = append(c.Seen, name)
		if ok = slices.Contains(c.Accepted, name); !ok {
			c.Refused++
			return
		}
		if c.Served == nil {
			c.Served = make(map[string]int)
		}
		c.Served[name]++
	})
	return ok
}

// WantSeen checks which requests came.
func (c *Checker) WantSeen(t testing.TB, names ...string) {
	t.Helper()
	c.Set(func() {
		if !slices.Equal(c.Seen, names) {
			t.Errorf("the server saw %q, want %q", c.Seen, names)
		}
	})
}

// Until waits for an event at the server, a minute at most.
func (c *Checker) Until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	Until(t, what, func() (done bool) {
		c.Set(func() { done = ok() })
		return done
	})
}
