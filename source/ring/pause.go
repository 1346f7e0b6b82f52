package ring

import (
	"math/rand/v2"
	"time"
)

// A pause is a time without tries, longer each time that one follows another.
type pause struct {
	level int // how many have followed one another
	until time.Time
}

// over reports whether the pause is over; one that never began is.
func (b *pause) over(now time.Time) bool { return !now.Before(b.until) }

// fade lets the next pause be a short one, if this one has been over for a good while.
func (b *pause) fade(now time.Time) {
	if now.Sub(b.until) > maxHoldOff {
		b.level = 0
	}
}

// cut ends the pause: what it holds back is tried at once.
func (b *pause) cut() { b.until = time.Time{} }

// grow begins the next pause. The first few, as many as free, have no length.
func (p *policy) grow(b *pause, free int, now time.Time) {
	b.level++
	b.until = now
	if b.level > free {
		b.until = now.Add(p.length(b.level - free))
	}
}

// again begins a pause as long as the last.
func (p *policy) again(b *pause, now time.Time) { b.until = now.Add(p.length(b.level)) }

// length is how long the nth pause in a row is: 1 s doubling to 1 min, and up to a
// tenth more, at random. Where bad keys lock out, the first is 20 s.
func (p *policy) length(n int) time.Duration {
	first := minHoldOff
	if p.lockout {
		first = lockoutHoldOff
	}
	d := min(first<<min(max(n-1, 0), 10), maxHoldOff)
	if p.jitter == nil {
		return d + time.Duration(rand.Int64N(int64(d)/10+1))
	}
	return d + time.Duration(p.jitter(int64(d)/10+1))
}

// A moment counts what was learnt. What left before the moment at which something
// changed has nothing new to say of it (F59).
type moment uint64
