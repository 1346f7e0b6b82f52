package soak_test

import (
	"sync/atomic"
	"testing"
	"time"
)

// A goal says how fast the clients send, and when a soak ends. All tracks share it.
type goal struct {
	beat      time.Duration // between the requests of a client; 0: no pause
	long      time.Duration // the soak ends after this at the latest; 0: no limit
	requests  int64         // the soak ends when there were so many,
	rotations int64         // and so many of these; both 0: by time alone

	begun time.Time
	part  float64 // of the soak, with which the phase ends

	sent, turned atomic.Int64
}

// over reports whether the phase is over.
func (g *goal) over() bool {
	if g.long > 0 && time.Since(g.begun) > time.Duration(g.part*float64(g.long)) {
		return true
	}
	return g.counts() && g.reached(g.part)
}

// counts reports whether the soak ends by its figures.
func (g *goal) counts() bool { return g.requests > 0 || g.rotations > 0 }

// reached reports whether that part of the figures is reached.
func (g *goal) reached(part float64) bool {
	return float64(g.sent.Load()) >= part*float64(g.requests) && float64(g.turned.Load()) >= part*float64(g.rotations)
}

// report logs once a minute, until stop, how far the soak is.
func (g *goal) report(t *testing.T, stop <-chan struct{}) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			t.Logf("%d requests and %d rotations so far", g.sent.Load(), g.turned.Load())
		case <-stop:
			return
		}
	}
}
