package provider

import (
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rollingkeys/rollingkeys/transport"
)

const (
	// maxOffset is the largest difference of clocks that is corrected. A wrong Date must
	// not move signatures or nonces far into the future.
	maxOffset = time.Hour
	// minMove is the smallest difference that is corrected. Date has a resolution of one
	// second, and its middle is taken. The rest is for the way of the answer.
	minMove = 750 * time.Millisecond
	// settling is how long after a correction the refusal of a request may arrive that was
	// signed before it.
	settling = 10 * time.Second
)

// A clock returns the server's time, as far as it is known.
type clock struct {
	local  func() time.Time
	offset atomic.Int64 // nanoseconds to add to the local time
	moved  atomic.Int64 // the local time of the last correction; 0 if there was none
}

func (c *clock) now() time.Time { return c.local().Add(time.Duration(c.offset.Load())) }

// ahead returns how far the server's clock, as the answer shows it, is ahead of c.
func (c *clock) ahead(a *transport.Answer) (d time.Duration, ok bool) {
	date, err := http.ParseTime(a.Header.Get("Date"))
	return date.Add(500 * time.Millisecond).Sub(c.now()), err == nil
}

// settles reports whether the offset moved a moment ago.
func (c *clock) settles() bool {
	moved := c.moved.Load()
	return moved != 0 && c.local().Sub(time.Unix(0, moved)).Abs() < settling
}

// resync learns the offset from an answer. It returns true if the offset moved, or a moment
// ago: if several requests are refused for their time at once, only the first moves it. If
// it did not, a request would be refused again: its time was right (F165).
func (c *clock) resync(a *transport.Answer) bool {
	d, ok := c.ahead(a)
	offset := c.offset.Load() + int64(d)
	if !ok || time.Duration(offset).Abs() > maxOffset {
		return false
	}
	if d.Abs() < minMove {
		return c.settles()
	}
	c.moved.Store(c.local().UnixNano()) // first: who sees the new time also sees that it moved
	c.offset.Store(offset)
	return true
}

// Dated returns a classifier for an API that does not say that it refused the time of a
// request. If an answer with the status 400, 401 or 403 has a Date header (RFC 9110 section
// 6.6.1) that is further than window from the time with which scheme signs, the verdict is
// [transport.ClockSkew]: window is how far the API lets the time of a request be from its
// own, so it would refuse any key. Other answers are left to c. For a scheme that no Signing
// has made, the time is the local one.
func Dated(s transport.Scheme, window time.Duration, c transport.Classifier) transport.Classifier {
	clock := &clock{local: time.Now}
	if d, ok := s.(*scheme); ok {
		clock = &d.clock
	}
	return func(a *transport.Answer) transport.Verdict {
		switch a.Status {
		case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden:
			if d, ok := clock.ahead(a); ok && (d.Abs() > window || clock.settles()) {
				return transport.ClockSkew
			}
		}
		return c(a)
	}
}

// A counter returns the nonces of one key id: the time, or the nonce before plus one,
// whichever is larger. So nonces always grow, across goroutines and steps of the clock
// (F49).
type counter struct{ last atomic.Uint64 }

func (c *counter) next(now uint64) uint64 {
	for {
		last := c.last.Load()
		n := max(now, last+1)
		if c.last.CompareAndSwap(last, n) {
			return n
		}
	}
}

// counters has one counter for each API and key id, for the life of the process,
// because the server keeps one too. Two clients of one process share it, and so do two
// versions with the same id. The id is the public part of a key.
var counters sync.Map // of *counter by [2]string

func counterFor(api, id string) *counter {
	c, _ := counters.LoadOrStore([2]string{api, id}, new(counter))
	return c.(*counter)
}
