package source

import (
	"sync/atomic"
	"unsafe"
)

const shards = 8 // a power of two

// shard picks a shard by where the caller's stack lies, which costs nothing:
// goroutines that run at one time have different stacks, and seldom one shard.
func shard() uint32 {
	var here byte
	return uint32(uintptr(unsafe.Pointer(&here)) >> 11)
}

// A counter counts without sharing one cache line among all cores.
type counter [shards]struct {
	n atomic.Uint64
	_ [56]byte
}

func (c *counter) add(shard uint32) { c[shard&(shards-1)].n.Add(1) }

func (c *counter) sum() uint64 {
	var n uint64
	for i := range c {
		n += c[i].n.Load()
	}
	return n
}

// figures are a version's counters. They outlive the version's key, for the
// attempts that are still out when it is retired.
type figures struct {
	sent, accepted counter
	refused        atomic.Uint64
	unknown        atomic.Uint64 // ended with nothing known of the key
}

func (f *figures) inFlight() uint64 {
	// Outcomes first: an attempt that ends between the two sums must not make
	// the difference negative.
	done := f.accepted.sum() + f.refused.Load() + f.unknown.Load()
	return f.sent.sum() - done
}
