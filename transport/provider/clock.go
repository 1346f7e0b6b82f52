package provider

import (
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rollingkeys/rollingkeys/transport"
)

// maxOffset is how far away a server's clock may be and still be believed. A
// wrong Date must not push signatures, or nonces, far into the future.
const maxOffset = time.Hour

// A clock tells the server's time, as far as it is known.
type clock struct {
	local  func() time.Time
	offset atomic.Int64 // nanoseconds to add to the local time
}

func (c *clock) now() time.Time { return c.local().Add(time.Duration(c.offset.Load())) }

// resync learns the offset from an answer. It reports true whenever the answer
// had a time to go by, changed or not: of several requests that were refused for
// their time at once, only the first finds the offset new.
func (c *clock) resync(a *transport.Answer) bool {
	date, err := http.ParseTime(a.Header.Get("Date"))
	if err != nil {
		return false
	}
	// Date is cut to the second; the middle of that second is wrong by half a
	// second at most.
	offset := date.Add(500 * time.Millisecond).Sub(c.local())
	if offset.Abs() > maxOffset {
		return false
	}
	c.offset.Store(int64(offset))
	return true
}

// A counter hands out the nonces of one key: the time, or one more than the
// last, so that they grow strictly whatever goroutine asks and wherever the
// clock jumps (F49).
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

// counters has one counter for each API and key id, for as long as the process
// lives, as the server keeps one too: two clients of one process, and two
// versions that share an id, share it. The id is the public half of a key.
var counters sync.Map // of *counter by [2]string

func counterFor(api, id string) *counter {
	c, _ := counters.LoadOrStore([2]string{api, id}, new(counter))
	return c.(*counter)
}
