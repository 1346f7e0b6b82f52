package source

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// A flight is one reading of the source, shared by all who wait for it.
type flight struct {
	done chan struct{}
	err  error // valid after done
	news bool
}

// read returns the reading that is under way, or starts one.
func (r *Ring) read() *flight {
	r.mu.Lock()
	defer r.unlock()
	if r.flight == nil {
		return r.begin(&flight{done: make(chan struct{})})
	}
	return r.flight
}

// readAfter returns a reading that begins after now: not the one under way,
// which may have seen the source as it was before.
func (r *Ring) readAfter() *flight {
	r.mu.Lock()
	defer r.unlock()
	if r.flight == nil {
		return r.begin(&flight{done: make(chan struct{})})
	}
	if r.next == nil {
		r.next = &flight{done: make(chan struct{})}
	}
	return r.next
}

// begin starts f. The caller holds mu.
func (r *Ring) begin(f *flight) *flight {
	r.flight = f
	if r.ctx.Err() != nil {
		f.err, r.flight = r.fail(ErrClosed), nil
		close(f.done)
		return f
	}
	r.wg.Go(func() { r.fly(f) })
	return f
}

// fly reads the source. Its context is nobody's in particular: it outlives the
// request that asked (F62), and ends with the read timeout or the ring.
func (r *Ring) fly(f *flight) {
	ctx, cancel := context.WithTimeout(r.ctx, r.cfg.readTimeout)
	defer cancel()
	var set Set
	err := r.guard(func() (err error) {
		set, err = r.src.Read(ctx)
		return err
	})
	if r.ctx.Err() != nil {
		err = ErrClosed
	}

	var made []preparation
	if err == nil {
		set.Keys = distinct(set.Keys, r.cfg.now())
		made = r.prepareNew(set.Keys)
	}

	r.mu.Lock()
	r.reads++
	if err == nil {
		f.news, err = r.apply(set, made)
	}
	if err != nil {
		f.err = r.fail(err)
		r.readFailed(f.err)
	}
	r.flight = nil
	if next := r.next; next != nil {
		r.next = nil
		r.begin(next)
	}
	r.unlock()
	close(f.done)
	signal(r.wake)
}

// readFailed notes an error. The caller holds mu.
func (r *Ring) readFailed(err error) {
	r.failed++
	r.failures++
	if r.lastErr == nil || r.lastErr.Error() != err.Error() {
		r.emit(Event{Kind: RefreshFailed, Err: err})
	}
	r.lastErr = err
	r.watchAge(r.cfg.now())
}

// Refresh reads the source now and returns when what it read is in use, or with
// the reading's error, or when ctx ends (the reading then goes on). The reading
// begins after the call; callers that come together share one.
func (r *Ring) Refresh(ctx context.Context) error {
	if r == nil || r.cancel == nil {
		return fmt.Errorf("source: %w", ErrClosed)
	}
	f := r.readAfter()
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return r.fail(fmt.Errorf("%w: %w", ErrUnavailable, context.Cause(ctx)))
	case <-r.ctx.Done():
		return r.fail(ErrClosed)
	}
}

// glance waits for one reading of the source, shared with whoever else wants one,
// and for no longer than a refused request may wait. It reports whether there was
// a reading.
func (r *Ring) glance(ctx context.Context) bool {
	late := time.NewTimer(cmp.Or(r.cfg.refusalWait, r.cfg.readTimeout))
	defer late.Stop()
	select {
	case <-r.readAfter().done:
		return true
	case <-late.C:
		return true // it is too slow to be of use
	case <-ctx.Done():
		return false
	}
}

// A window is the time in which requests whose keys were all refused wait
// together for the source to come up with another.
type window struct {
	wait time.Duration // 0: for one reading
	done chan struct{}
	vain bool // it brought nothing; valid after done
}

// await waits for a version that a request with that past can be sent with: it
// looks whenever one has come, until a window is over in vain, the time for one
// has passed, or ctx ends. waited reports whether it waited in vain.
func (r *Ring) await(ctx context.Context, p *past) (v *version, waited bool) {
	begun, again, over, told := time.Now(), false, false, false
	var late <-chan time.Time
	var w *window // that this request waits in
	for {
		r.mu.Lock()
		if w == nil {
			w = r.window
		}
		v = r.other(p)
		switch now := r.cfg.now(); {
		case v != nil || r.ctx.Err() != nil:
			r.unlock()
			return v, false
		case over:
			r.unlock()
			return nil, true
		case w == nil:
			if w = r.ask(now, again); w == nil {
				r.unlock()
				return nil, false
			}
		}
		if r.lockout.Load() && !told {
			r.exhausted(p, false) // F58: those who come meanwhile do not send that key as well
			told = true
		}
		changed := r.changed
		r.unlock()
		select {
		case <-changed:
		case <-w.done:
			if w.vain { // but a key that was there may have been taken up, or be valid by now
				over, w = true, nil
				continue
			}
			// It brought something new, though nothing for this request: another
			// rotation may be on its way. A source that has something new each time
			// gets no more time, and is not read without end (F58).
			again, over, w = true, w.wait == 0, nil
			late = time.After(r.cfg.refusalWait - time.Since(begun))
		case <-late:
			over = true
		case <-ctx.Done():
			return nil, false
		}
	}
}

// ask opens a window. F58: after waiting in vain there is no waiting for a while, and
// no more than one reading a second; it is nil then. The caller holds mu.
func (r *Ring) ask(now time.Time, again bool) *window {
	cool := now.Before(r.coolUntil)
	if cool && now.Sub(r.askedAt) < minHoldOff {
		return nil
	}
	r.askedAt = now
	w := &window{wait: r.cfg.refusalWait, done: make(chan struct{})}
	r.window = w
	current := r.snap.Load().current
	if cool || r.waitedFor == current && current != nil && !current.accepted {
		w.wait = 0 // in vain once; one reading is all it gets from now on
	}
	r.wg.Go(func() { r.open(w, again, current) })
	return w
}

// open reads the source, for all who wait, and again with growing pauses while
// the window lasts; a source that can notify is given some time to do so. If it is
// opened again by one who has waited already, a pause comes first.
func (r *Ring) open(w *window, again bool, current *version) {
	defer close(w.done)
	// Without a wait, there is time for one reading.
	long := cmp.Or(w.wait, r.cfg.refusalWait, r.cfg.readTimeout)
	ctx, cancel := context.WithTimeout(r.ctx, long)
	defer cancel()
	pause := 100 * time.Millisecond
	if _, ok := r.src.(Notifier); ok {
		pause = 1500 * time.Millisecond // it will tell, most likely (F03)
	}
	news := false
	if again {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
reading:
	for {
		r.mu.Lock()
		changed := r.changed
		r.unlock()
		f := r.readAfter()
		select {
		case <-f.done:
			news = f.news
		case <-ctx.Done():
		}
		if r.lockedOut() {
			news = false // not for those who wait
		}
		if news || w.wait == 0 || ctx.Err() != nil {
			break
		}
		select {
		case <-time.After(pause):
			// No more than a quarter of the window goes by unread: with doubling
			// alone, a key that came in its second half went unseen.
			pause = min(2*pause, max(w.wait/4, pause))
		case <-changed:
			if r.lockedOut() {
				continue
			}
			news = true
			break reading
		case <-ctx.Done():
			break reading
		}
	}
	r.mu.Lock()
	defer r.unlock()
	r.window = nil
	w.vain = !news
	if w.vain && w.wait > 0 {
		r.waitedFor = current
		if current != nil {
			current.accepted = false
		}
		for _, v := range r.list { // an acceptance from here on opens a window again
			v.settled.Store(false)
		}
	}
	if w.vain && r.allRefused && !r.alarmed {
		r.recompute(r.cfg.now())
	}
}

// lockedOut reports whether every key is refused where bad ones lock out.
func (r *Ring) lockedOut() bool { return r.snap.Load().lockout }

// cool sets how long requests do without another window. The caller holds mu.
func (r *Ring) cool() {
	now := r.cfg.now()
	if now.Sub(r.coolUntil) > maxHoldOff {
		r.coolLevel = 0
	}
	r.coolUntil = now.Add(r.holdOff(r.coolLevel))
	r.coolLevel++
}

// holdOff is the pause before a refused version is tried again: 1 s doubling to
// 1 min, a tenth of it jitter. Where bad keys lock out, it begins at 20 s.
func (r *Ring) holdOff(level int) time.Duration {
	first := minHoldOff
	if r.lockout.Load() {
		first = lockoutHoldOff
	}
	d := min(first<<min(level, 10), maxHoldOff)
	return d + time.Duration(rand.Int64N(int64(d)/10+1))
}
