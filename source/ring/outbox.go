package ring

import (
	"log/slog"
	"slices"
	"time"
)

// An outbox has the observers of a ring and the events that they have not received yet.
// The ring sends an event when what it reports has been published. Ring.mu guards the
// outbox, so that events are in order.
type outbox struct {
	source    string
	now       func() time.Time
	log       *slog.Logger // nil logs nothing
	observers []*observer
	pending   []Event
	warned    map[string]bool // the texts of Warnings so far
}

func newOutbox(source string, cfg *config) outbox {
	b := outbox{source: source, now: cfg.now, log: cfg.logger, warned: make(map[string]bool)}
	if cfg.logger != nil {
		// It gets no logger for its own panics: a logger that panics cannot log them.
		b.observers = append(b.observers, &observer{call: logEvent(cfg.logger)})
	}
	for _, f := range cfg.observers {
		b.subscribe(f)
	}
	return b
}

// emit adds an event to the pending ones.
func (b *outbox) emit(e Event) {
	e.Time, e.Source = b.now(), b.source
	b.pending = append(b.pending, e)
}

// warn emits a Warning, once for each text.
func (b *outbox) warn(err error) {
	if len(b.warned) >= maxWarned {
		clear(b.warned)
	}
	if text := err.Error(); !b.warned[text] {
		b.warned[text] = true
		b.emit(Event{Kind: Warning, Err: err})
	}
}

// relay emits events, but a Warning only once for each text.
func (b *outbox) relay(events []Event) {
	for _, e := range events {
		if e.Kind == Warning {
			b.warn(e.Err)
		} else {
			b.emit(e)
		}
	}
}

// maxWarned is how many texts are remembered before all are forgotten.
const maxWarned = 256

// flush sends the pending events to the observers.
func (b *outbox) flush() {
	for _, e := range b.pending {
		for _, o := range b.observers {
			o.add(e)
		}
	}
	b.pending = b.pending[:0]
}

func (b *outbox) subscribe(f func(Event)) *observer {
	o := &observer{call: f, log: b.log}
	b.observers = append(b.observers, o)
	return o
}

func (b *outbox) unsubscribe(o *observer) {
	b.observers = slices.DeleteFunc(b.observers, func(other *observer) bool { return other == o })
}

// close keeps further events from the observers.
func (b *outbox) close() {
	for _, o := range b.observers {
		o.stop()
	}
}

// Subscribe calls f for every event from now on, in order, one at a time, on a goroutine of
// f's own: f may block, and may call any method of the ring. The first events say what
// is degraded already, such as a key that expires soon, with the time at which the ring
// noticed. If more than 1,024 events wait for f, the oldest are dropped. If the ring
// is closed, f is not called. stop ends this and drops the waiting events; it does not wait
// for a call of f that runs. stop is safe for concurrent use and may be called again.
func (r *Ring) Subscribe(f func(Event)) (stop func()) {
	if r == nil || r.cancel == nil || f == nil {
		return func() {}
	}
	r.mu.Lock()
	defer r.unlock()
	if r.ctx.Err() != nil {
		return func() {}
	}
	r.watch(r.cfg.now())
	r.outbox.flush()
	o := r.outbox.subscribe(f)
	for _, e := range r.ledger.hold() {
		e.Source = r.name
		o.add(e)
	}
	return func() {
		o.drop()
		r.mu.Lock()
		defer r.unlock()
		r.outbox.unsubscribe(o)
	}
}
