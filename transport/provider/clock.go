package provider

import (
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rollingkeys/rollingkeys/transport"
)

// maxOffset is the largest difference of clocks that is corrected. A wrong Date must
// not move signatures or nonces far into the future.
const maxOffset = time.Hour

// A clock returns the server's time, as far as it is known.
type clock struct {
	local  func() time.Time
	offset atomic.Int64 // nanoseconds to add to the local time
}

func (c *clock) now() time.Time { return c.local().Add(time.Duration(c.offset.Load())) }

// resync learns the offset from an answer. It returns true if the answer had a usable
// time, even if the offset did not change: if several requests are refused for their
// time at once, only the first finds a new offset.
func (c *clock) resync(a *transport.Answer) bool {
	date, err := http.ParseTime(a.Header.Get("Date"))
	if err != nil {
		return false
	}
	// Date has a resolution of one second. The middle of that second is wrong by at most
	// half a second.
	offset := date.Add(500 * time.Millisecond).Sub(c.local())
	if offset.Abs() > maxOffset {
		return false
	}
	c.offset.Store(int64(offset))
	return true
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
