package ring

import (
	"log/slog"
	"sync"
)

// maxQueued is how many events wait for an observer. Beyond that the oldest are dropped.
const maxQueued = 1024

// An observer gets its events in order, one at a time, on a goroutine of its own, which
// exists only while events wait. Neither the ring nor another observer waits for an
// observer (F13, F108).
type observer struct {
	call func(Event)
	log  *slog.Logger // for a panic; nil logs nothing

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
	// F97: a panic in an observer must not end the program.
	defer func() {
		if recover() != nil && o.log != nil {
			o.panicked.Do(func() { o.log.Error("rollingkeys: an event observer panicked", "event", string(e.Kind)) })
		}
	}()
	o.call(e)
}

// stop refuses further events. Those already queued are still delivered.
func (o *observer) stop() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.stopped = true
}

// drop refuses further events, and drops those already queued.
func (o *observer) drop() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.stopped, o.queue = true, nil
}
