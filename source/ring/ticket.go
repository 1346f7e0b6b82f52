package ring

import (
	"sync"
	"sync/atomic"
)

// tickets are those of no attempt. With them an attempt allocates nothing.
var tickets = sync.Pool{New: func() any { return new(atomic.Uint64) }}

// begun begins an attempt with v, and counts it.
func (a *Attempt) begun(v *version) {
	a.v = v
	a.ticket = tickets.Get().(*atomic.Uint64)
	a.number = a.ticket.Load()
	v.counters.shards[a.shard].sent.Add(1)
}

// finish reports whether the attempt gets its outcome now. It returns false if the attempt
// has one: every copy has the same ticket, and the number on a ticket only grows, so that the
// ticket may be another attempt's by now. More outcomes than attempts would make the number
// of those in flight wrong for ever (F179).
func (a *Attempt) finish() bool {
	if a.ticket == nil || !a.ticket.CompareAndSwap(a.number, a.number+1) {
		return false
	}
	tickets.Put(a.ticket)
	a.ticket = nil
	return true
}
