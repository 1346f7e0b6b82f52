package ring

import (
	"runtime"
	"sync/atomic"
	"time"
)

// A Stream is an answer of which the rest is still to come: a body that is not read to
// its end, or a connection after an upgrade. It is safe for concurrent use.
type Stream struct {
	c     *counters // nil: the attempt was none
	shard uint32
	now   func() time.Time // nil unless the key is the caller's own
	ended atomic.Bool
}

// Stream says that the answer to the attempt is still open: the attempt counts as in
// flight until [Stream.End], whatever its outcome, and also if its version is retired in
// the meantime. A server may end an open answer when it revokes the key (F171). Call
// Stream before the outcome is reported.
func (a *Attempt) Stream() *Stream {
	if a.v == nil {
		return &Stream{}
	}
	s := &Stream{c: a.v.counters, shard: a.shard}
	if a.foreign {
		s.now = a.ring.cfg.now
	}
	s.c.shards[s.shard].open.Add(1)
	// A caller may forget to close an answer. Once it is garbage, nobody reads it any more.
	// The Stream is an object of its own, since an answer may refer to itself.
	runtime.SetFinalizer(s, (*Stream).End)
	return s
}

// End says that the answer has ended. Calling End again does nothing.
func (s *Stream) End() {
	if s == nil || s.c == nil || s.ended.Swap(true) {
		return
	}
	runtime.SetFinalizer(s, nil)
	if s.now != nil {
		s.c.calledAt(s.now())
	}
	s.c.shards[s.shard].open.Add(-1)
}
