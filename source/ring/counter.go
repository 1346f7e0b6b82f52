package ring

import (
	"sync/atomic"
	"unsafe"
)

const shardBits = 3

// counters count the attempts with one version. They outlive the version's key, for the
// attempts in flight when the version is retired.
type counters struct {
	// The counters that every request changes are in shards, so that cores do not wait for
	// each other. The shards lie two cache lines apart, since cores fetch lines in pairs.
	shards [1 << shardBits]struct {
		sent, accepted atomic.Uint64
		open           atomic.Int64 // answers that are still open: see Stream
		_              [104]byte
	}
	refused atomic.Uint64
	called  atomic.Int64  // when a caller last used the key itself, in Unix nanoseconds; 0 means never
	unknown atomic.Uint64 // attempts that said nothing about the key
	pins    atomic.Int64  // uses outside requests: see Ring.Pin
}

// shard picks a shard by the address of the caller's stack, which costs next to nothing.
// Goroutines that run at the same time have different stacks, and mostly different shards.
// The shard depends on all bits of the address (Fibonacci hashing), since stacks lie at
// multiples of their size.
func shard() uint32 {
	var here byte
	return uint32(uintptr(unsafe.Pointer(&here))>>11) * 0x9E3779B1 >> (32 - shardBits)
}

func (f *counters) sent() (n uint64) {
	for i := range f.shards {
		n += f.shards[i].sent.Load()
	}
	return n
}

func (f *counters) accepted() (n uint64) {
	for i := range f.shards {
		n += f.shards[i].accepted.Load()
	}
	return n
}

// inFlight returns how many attempts have no outcome, or an answer that is still open.
func (f *counters) inFlight() uint64 {
	// Outcomes first: an attempt that ends between the two sums must not make the
	// difference negative. Open answers last: they begin before the outcome is reported.
	done := f.accepted() + f.refused.Load() + f.unknown.Load()
	n := f.sent() - done
	for i := range f.shards {
		n += uint64(f.shards[i].open.Load())
	}
	return n
}

// busy reports whether the version is in use.
func (f *counters) busy() bool { return f.inFlight() > 0 || f.pins.Load() > 0 }
