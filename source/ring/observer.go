package ring

import (
	"log/slog"
	"sync"
)

// maxQueued is how many events wait for an observer that does not return; the
// oldest are dropped beyond that.
const maxQueued = 1024

// An observer gets its events in order, one at a time, on a goroutine of its
// own that exists only while there are any: neither the ring nor another
// observer waits for it (F13, F108).
type observer struct {
	call func(Event)
	log  *slog.Logger // may be nil

	mu      sync.Mutex
	queue   []Event
	running bool
	stopped bool

	panicked sync.Once
}

func (o *observer) add(e Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.stopped {
		return
	}
	if len(o.queue) == maxQueued {
		o.queue = append(o.queue[:0], o.queue[1:]...)
	}
	o.queue = append(o.queue, e)
	if !o.running {
		o.running = true
		go o.run()
	}
}

func (o *observer) run() {
	for {
		o.mu.Lock()
		if len(o.queue) == 0 {
			o.running, o.queue = false, nil
			o.mu.Unlock()
			return
		}
		e := o.queue[0]
		o.queue = o.queue[1:]
		o.mu.Unlock()
		o.deliver(e)
	}
}

func (o *observer) deliver(e Event) {
	// F97: a panic in an observer is its own affair; the keys go on.
	defer func() {
		if recover() != nil && o.log != nil {
			o.panicked.Do(func() { o.log.Error("rollingkeys: an event observer panicked", "event", string(e.Kind)) })
		}
	}()
	o.call(e)
}

// stop keeps further events away; those already queued are still delivered.
func (o *observer) stop() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.stopped = true
}

// drop stops it, and what waits is not delivered.
func (o *observer) drop() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.stopped, o.queue = true, nil
}
