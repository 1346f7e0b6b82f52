package ring

import (
	"sync/atomic"
	"unsafe"
)

const shardBits = 3

// figures are a version's counters. They outlive the version's key, for the
// attempts that are still out when it is retired.
type figures struct {
	// What each request adds to is in shards, two cache lines from one another (a
	// core fetches them in pairs), so that cores do not wait for each other.
	shards [1 << shardBits]struct {
		sent, accepted atomic.Uint64
		_              [112]byte
	}
	refused atomic.Uint64
	called  atomic.Int64  // when a caller used the key itself, in Unix nanoseconds; 0: never
	unknown atomic.Uint64 // ended with nothing known of the key
}

// shard picks a shard by where the caller's stack lies, which costs nothing:
// goroutines that run at one time have different stacks, and seldom one shard. All
// bits of the address count (Fibonacci hashing): stacks of one size lie at multiples of it.
func shard() uint32 {
	var here byte
	return uint32(uintptr(unsafe.Pointer(&here))>>11) * 0x9E3779B1 >> (32 - shardBits)
}

func (f *figures) sent() (n uint64) {
	for i := range f.shards {
		n += f.shards[i].sent.Load()
	}
	return n
}

func (f *figures) accepted() (n uint64) {
	for i := range f.shards {
		n += f.shards[i].accepted.Load()
	}
	return n
}

func (f *figures) inFlight() uint64 {
	// Outcomes first: an attempt that ends between the two sums must not make
	// the difference negative.
	done := f.accepted() + f.refused.Load() + f.unknown.Load()
	return f.sent() - done
}
