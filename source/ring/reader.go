package ring

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
)

// A reader reads a source for all who want that, one reading at a time. It has a lock of
// its own, and holds it neither while it reads nor while it calls took.
type reader struct {
	src     source.Source
	timeout time.Duration   // of one reading
	ctx     context.Context // ends with the ring
	run     func(func())    // starts a goroutine that Close waits for
	took    func(source.Set, error) (news bool, _ error)

	mu     sync.Mutex
	flight *flight // the reading under way, nil if there is none
	next   *flight // starts when flight ends; nil: nobody wants it
}

// A flight is one reading of the source, shared by all who wait for it.
type flight struct {
	done chan struct{}
	err  error // valid after done
	news bool  // the keys have changed; valid after done
}

// read returns the reading that is under way, or starts one.
func (d *reader) read() *flight {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.flight == nil {
		return d.begin(&flight{done: make(chan struct{})})
	}
	return d.flight
}

// readAfter returns a reading that begins after now: not the one under way,
// which may have seen the source as it was before.
func (d *reader) readAfter() *flight {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.flight == nil {
		return d.begin(&flight{done: make(chan struct{})})
	}
	if d.next == nil {
		d.next = &flight{done: make(chan struct{})}
	}
	return d.next
}

// begin starts f. The caller holds mu.
func (d *reader) begin(f *flight) *flight {
	if d.ctx.Err() != nil {
		f.err = ErrClosed
		close(f.done)
		return f
	}
	d.flight = f
	d.run(func() { d.fly(f) })
	return f
}

// fly reads the source. Its context is nobody's in particular: it outlives the
// request that asked (F62), and ends with the read timeout or the ring.
func (d *reader) fly(f *flight) {
	ctx, cancel := context.WithTimeout(d.ctx, d.timeout)
	defer cancel()
	var set source.Set
	err := guard(func() (err error) {
		set, err = d.src.Read(ctx)
		return err
	})
	if d.ctx.Err() != nil {
		err = ErrClosed
	}
	f.news, f.err = d.took(set, err)
	d.land()
	close(f.done)
}

// land ends the reading under way, and begins the next.
func (d *reader) land() {
	d.mu.Lock()
	defer d.mu.Unlock()
	next := d.next
	d.flight, d.next = nil, nil
	if next != nil {
		d.begin(next)
	}
}

// close calls cancel, which ends ctx. No reading begins after it.
func (d *reader) close(cancel func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	cancel()
}

// guard calls f, which is not ours, and makes an error of a panic (F97).
func guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: the source panicked", source.ErrUnavailable) // p may hold a secret
		}
	}()
	return f()
}
