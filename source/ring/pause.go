package ring

import (
	"math/rand/v2"
	"time"
)

// A pause is a time in which nothing is tried. Each pause that follows another is longer.
type pause struct {
	level int // the number of pauses so far that followed one another
	until time.Time
}

// over reports whether the pause is over. A pause that never began is over.
func (b *pause) over(now time.Time) bool { return !now.Before(b.until) }

// fade makes the next pause a short one if this one has been over for a minute.
func (b *pause) fade(now time.Time) {
	if now.Sub(b.until) > maxHoldOff {
		b.level = 0
	}
}

// cut ends the pause: the next try may come at once.
func (b *pause) cut() { b.until = time.Time{} }

// grow begins the next pause. The first ones, as many as free, have no length.
func (p *policy) grow(b *pause, free int, now time.Time) {
	b.level++
	b.until = now
	if b.level > free {
		b.until = now.Add(p.length(b.level - free))
	}
}

// repeat begins a pause as long as the last.
func (p *policy) repeat(b *pause, now time.Time) { b.until = now.Add(p.length(b.level)) }

// length returns the length of the nth pause in a row: 1 s doubling to 1 min, plus up to a
// tenth at random (F77). In a lockout the first is 20 s.
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

// A moment is a logical time: a count of what the policy has learnt. The outcome of a
// request that left before a version's standing changed says nothing new about that
// version (F59).
type moment uint64
