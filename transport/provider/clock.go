package provider

import (
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/internal/clock"
)

// minMove is the smallest difference of clocks that is corrected. Date has a resolution of
// one second, and its middle is taken. The rest is for the way of the answer.
const minMove = 750 * time.Millisecond

// serverTime returns the server's time, as the answer shows it. ok is false if it shows none.
func serverTime(a *transport.Answer) (t time.Time, ok bool) {
	date, err := http.ParseTime(a.Header.Get("Date"))
	return date.Add(500 * time.Millisecond), err == nil
}

// resync learns the server's time from an answer that refused the request's time.
func (d *scheme) resync(a *transport.Answer) bool {
	t, ok := serverTime(a)
	return ok && d.clock.Learn(t)
}

// Dated returns a classifier for an API that does not say that it refused the time of a
// request. If an answer with the status 400, 401 or 403 has a Date header (RFC 9110 section
// 6.6.1) that is further than window from the time with which scheme signs, the verdict is
// [transport.ClockSkew]: window is how far the API lets the time of a request be from its
// own, so it would refuse any key. Other answers are left to c. For a scheme that no Signing
// has made, the time is the local one.
func Dated(s transport.Scheme, window time.Duration, c transport.Classifier) transport.Classifier {
	clock := &clock.Clock{Local: time.Now}
	if d, ok := s.(*scheme); ok {
		clock = &d.clock
	}
	return func(a *transport.Answer) transport.Verdict {
		switch a.Status {
		case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden:
			if t, ok := serverTime(a); ok && (t.Sub(clock.Now()).Abs() > window || clock.Settles()) {
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
