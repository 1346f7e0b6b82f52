package ring

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
)

// A reader reads a source, one reading at a time, which all callers share. It has a lock of
// its own, and holds it neither while it reads nor while it calls handle.
type reader struct {
	src     source.Source
	timeout time.Duration   // of one reading
	ctx     context.Context // ends with the ring
	run     func(func())    // starts a goroutine that Close waits for
	handle  func(source.Set, error) (news bool, _ error)
	calls   chan struct{} // has a token for each call of Read that has not returned

	mu     sync.Mutex
	flight *flight // the reading under way, or nil
	next   *flight // the reading that begins when flight ends, or nil
}

const (
	// maxWarnings is how many warnings of one reading are reported.
	maxWarnings = 32
	// hangs is how long after the end of its context Read is given up (F180).
	hangs = 5 * time.Second
	// maxHung is how many calls of Read may go on. If all were given up, the source is not
	// read again until one of them returns.
	maxHung = 3
)

// A flight is one reading of the source, shared by all its callers.
type flight struct {
	done chan struct{}
	err  error // valid after done
	news bool  // the keys changed; valid after done
}

// read returns the reading under way, or begins one.
func (d *reader) read() *flight {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.flight == nil {
		return d.begin(&flight{done: make(chan struct{})})
	}
	return d.flight
}

// readAfter returns a reading that begins after the call: the one under way may have seen
// the source as it was before.
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

// begin begins f. The caller holds mu.
func (d *reader) begin(f *flight) *flight {
	if d.ctx.Err() != nil {
		f.err = ErrClosed
		close(f.done)
		return f
	}
	d.flight = f
	d.run(func() { d.fetch(f) })
	return f
}

// fetch reads the source. Its context is not that of a request: a reading outlives the
// request that asked for it (F62), and ends with the read timeout or the ring.
func (d *reader) fetch(f *flight) {
	set, err := d.call()
	set.Warnings = slices.DeleteFunc(slices.Clone(set.Warnings), unreadable)
	if n := len(set.Warnings) - maxWarnings; n > 0 { // F181
		set.Warnings = append(set.Warnings[:maxWarnings], fmt.Errorf("the source has %d more warnings", n))
	}
	if d.ctx.Err() != nil {
		err = ErrClosed
	}
	f.news, f.err = d.handle(set, err)
	d.land()
	close(f.done)
}

// call calls Read, and gives it up if it has not returned soon after its context ended: what
// it returns later is out of date.
func (d *reader) call() (source.Set, error) {
	select {
	case d.calls <- struct{}{}:
	default:
		return source.Set{}, fmt.Errorf("%w: %d calls of Read hang: the source is read again when one of them returns", source.ErrUnavailable, maxHung)
	}
	ctx, cancel := context.WithTimeout(d.ctx, d.timeout)
	defer cancel()
	type answer struct {
		set source.Set
		err error
	}
	done := make(chan answer, 1)
	d.run(func() {
		var a answer
		a.err = guard(func() (err error) {
			a.set, err = d.src.Read(ctx)
			return err
		})
		<-d.calls
		done <- a
	})
	select {
	case a := <-done:
		return a.set, a.err
	case <-ctx.Done():
	}
	late := time.NewTimer(hangs)
	defer late.Stop()
	select {
	case a := <-done:
		return a.set, a.err
	case <-late.C:
		return source.Set{}, fmt.Errorf("%w: Read has not returned although its context ended %v ago: it was given up", source.ErrUnavailable, hangs)
	}
}

// land ends the reading under way, and begins the next one.
func (d *reader) land() {
	d.mu.Lock()
	defer d.mu.Unlock()
	next := d.next
	d.flight, d.next = nil, nil
	if next != nil {
		d.begin(next)
	}
}

// close calls cancel, which ends ctx. No reading begins after that, so that Close can wait
// for those that run.
func (d *reader) close(cancel func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	cancel()
}

// guard calls a function of the source's or the cache's, and returns a panic as an error
// (F97). An error whose methods panic, as those of a nil pointer do, counts as a panic
// (F169).
func guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: the source panicked", source.ErrUnavailable) // p may contain a secret
		}
	}()
	if err = f(); err != nil {
		_, _ = err.Error(), errors.Is(err, ErrClosed)
	}
	return err
}

// unreadable reports whether a warning is nil, or panics when its text is read (F169).
func unreadable(warning error) bool {
	return warning == nil || guard(func() error { _ = warning.Error(); return nil }) != nil
}
