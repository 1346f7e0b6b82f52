// Package clock knows the time of a server whose clock is not the local one.
package clock

import (
	"sync/atomic"
	"time"
)

const (
	// maxOffset is the largest difference of clocks that is corrected. A wrong time of the
	// server must not move signatures or nonces far into the future.
	maxOffset = time.Hour
	// settling is how long after a correction the refusal of a request may arrive that was
	// signed before it.
	settling = 10 * time.Second
)

// A Clock returns the server's time, as far as it is known. It is safe for concurrent use
// once Local and Least are set.
type Clock struct {
	Local func() time.Time
	Least time.Duration // the smallest difference that is corrected

	offset atomic.Int64 // nanoseconds to add to the local time
	moved  atomic.Int64 // the local time of the last correction; 0 if there was none
}

// Now returns the server's time.
func (c *Clock) Now() time.Time { return c.Local().Add(time.Duration(c.offset.Load())) }

// Settles reports whether the clock was corrected a moment ago.
func (c *Clock) Settles() bool {
	moved := c.moved.Load()
	return moved != 0 && c.Local().Sub(time.Unix(0, moved)).Abs() < settling
}

// Learn corrects the clock by the server's time, as an answer shows it that refused a
// request for its time. It returns true if the clock moved, or a moment ago: if several
// requests are refused at once, only the first moves it. If it did not, a request would be
// refused again: its time was right (F165).
func (c *Clock) Learn(server time.Time) bool {
	d := server.Sub(c.Now())
	offset := c.offset.Load() + int64(d)
	if time.Duration(offset).Abs() > maxOffset {
		return false
	}
	if d.Abs() < c.Least {
		return c.Settles()
	}
	c.moved.Store(c.Local().UnixNano()) // first: who sees the new time also sees that it moved
	c.offset.Store(offset)
	return true
}
