package ring

import (
	"cmp"
	"context"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
)

// An asking is the time in which the ring asks the source for another key, because every
// key that a request could be sent with was refused. All such requests wait in one asking.
type asking struct {
	wait    bool          // it lasts for WithRefusalWait; otherwise it is one reading
	opened  moment        // a version that joined later than this helps
	changed chan struct{} // closed, and replaced, when the snapshot changed
	done    chan struct{} // closed when the asking is over
	vain    bool          // it brought no other key; valid after done
	waiting int           // how many requests wait in it
	helped  bool          // a request that waited was sent again
	gaveUp  bool          // a request waited its whole time and was not sent again
	served  bool          // a key was accepted since it began
	lapsed  time.Time     // when a request joined it that was refused after that; zero: none, or a key is accepted
}

// ask returns the asking under way, or begins one if the policy allows it, else nil. again
// says that it follows an asking that did not help the caller: then it begins with a
// pause. The caller holds mu.
func (r *Ring) ask(now time.Time, again bool) *asking {
	if r.asking != nil || r.ctx.Err() != nil {
		return r.asking
	}
	wait, ok := r.policy.ask(now)
	if !ok {
		return nil
	}
	k := &asking{
		wait: wait && r.cfg.refusalWait > 0, opened: r.policy.moment,
		changed: make(chan struct{}), done: make(chan struct{}),
	}
	r.asking = k
	r.wg.Go(func() { r.search(k, again) })
	return k
}

// search reads the source for all requests that wait in k. If a reading brings a key that
// helps, [Ring.publish] ends the asking. Otherwise search ends it, and it was in vain unless
// requests were sent again, and no other has waited its whole time.
func (r *Ring) search(k *asking, again bool) {
	r.look(k, r.longestWait(), again)
	now := r.enter()
	if left := k.lapsed.Add(r.longestWait()).Sub(now); r.asking == k && k.wait && left > 0 {
		// F61: requests were served in the meantime, and are refused again. Those that
		// wait since then have waited for a part of their time only.
		r.leave()
		r.look(k, left, true)
		now = r.enter()
	}
	defer r.leave()
	if r.asking == k {
		if k.vain = !k.helped || k.gaveUp || k.waiting > 0; k.vain {
			r.policy.askedInVain(k.wait, now)
		}
		r.endAsking()
	}
}

// look reads the source for that time or until the asking is over, with growing pauses
// between the readings; a source that can notify is given time to do so. If rested is set,
// look begins with a pause.
func (r *Ring) look(k *asking, wait time.Duration, rested bool) {
	ctx, cancel := context.WithTimeout(r.ctx, wait)
	defer cancel()
	pause := 100 * time.Millisecond
	if _, ok := r.reader.src.(source.Notifier); ok {
		pause = 1500 * time.Millisecond // it will most likely notify (F03)
	}
	rest := func(d time.Duration) {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
		case <-k.done:
			cancel()
		case <-ctx.Done():
		}
	}
	if rested {
		rest(pause)
	}
	for ctx.Err() == nil {
		select {
		case <-r.reader.readAfter().done:
		case <-k.done:
			cancel()
		case <-ctx.Done():
		}
		if !k.wait {
			break
		}
		rest(pause)
		// A pause takes a quarter of the time at most: with doubling alone, a key that
		// came in the second half was not seen.
		pause = min(2*pause, max(r.cfg.refusalWait/4, pause))
	}
}

// endAsking ends the asking under way. The caller holds mu.
func (r *Ring) endAsking() {
	close(r.asking.done)
	r.asking = nil
}

// wakeWaiters wakes the requests that wait in the asking under way, and ends it if the new
// snapshot may help them. The caller holds mu.
func (r *Ring) wakeWaiters(before, s *snapshot) {
	k := r.asking
	if k == nil {
		return
	}
	over := s.current != before.current || before.locked && !s.locked
	for _, v := range r.policy.live {
		over = over || !v.held && v.joined > k.opened
	}
	if over {
		r.endAsking()
		return
	}
	if s.settled != nil {
		k.served, k.lapsed = true, time.Time{}
	}
	close(k.changed)
	k.changed = make(chan struct{})
}

// longestWait returns how long a refused request waits for the source at most.
func (r *Ring) longestWait() time.Duration { return cmp.Or(r.cfg.refusalWait, r.cfg.readTimeout) }

// F133: the wait ends ahead of the context's deadline, so that the refusal still reaches
// the caller: by a tenth of the time that is left, by 100 ms at most.
const (
	aheadPart = 10
	aheadMost = 100 * time.Millisecond
)

// patience returns how long a request with that context waits for the source. short says
// that its deadline, and not longestWait, is the limit.
func (r *Ring) patience(ctx context.Context) (wait time.Duration, short bool) {
	wait = r.longestWait()
	if deadline, ok := ctx.Deadline(); ok {
		left := time.Until(deadline)
		left -= min(left/aheadPart, aheadMost)
		return min(left, wait), left < wait
	}
	return wait, false
}

// ended reports whether a request with that context, or the ring, has ended.
func (r *Ring) ended(ctx context.Context) bool {
	return ctx == nil || ctx.Err() != nil || r.ctx.Err() != nil
}

// await waits while the source is asked, until choose has found a version to send, the
// source was asked in vain, or the request's time is over. await calls choose whenever the
// snapshot has changed. With begin, await begins an asking; without, it waits only in
// one that is under way. inTime is false if the request's time was over first. The
// caller holds mu; await releases it while it waits.
func (r *Ring) await(ctx context.Context, begin bool, choose func(now time.Time) bool) (inTime bool) {
	wait, short := r.patience(ctx)
	late := time.NewTimer(wait)
	defer late.Stop()
	inTime = true
	now := r.cfg.now()
	for again, over := false, false; !over; again = true {
		k := r.asking
		if begin {
			// If an asking brought a key, but none for this request, another rotation
			// may be under way.
			k = r.ask(now, again)
		}
		if k == nil || !begin && !k.wait {
			return inTime
		}
		if !again && k.served && k.lapsed.IsZero() && r.policy.settled() == nil {
			k.lapsed = now
		}
		changed := k.changed
		k.waiting++
		r.leave()
		select {
		case <-k.done:
			over = k.vain || !k.wait
		case <-changed:
		case <-late.C:
			over, inTime = true, !short
		case <-ctx.Done():
			over, inTime = true, false
		case <-r.ctx.Done():
			over = true
		}
		now = r.enter()
		k.waiting--
		switch {
		case r.ended(ctx):
			return inTime
		case choose(now):
			k.helped = true
			return inTime
		}
		k.gaveUp = k.gaveUp || over && inTime
	}
	return inTime
}

// awaitReading waits for one reading of the source, which callers share. It reports
// whether the source was asked: false if the request's time was over first, true also if
// the reading was too slow. The caller holds mu; awaitReading releases it while it waits.
func (r *Ring) awaitReading(ctx context.Context) bool {
	r.leave()
	defer r.mu.Lock()
	wait, short := r.patience(ctx)
	late := time.NewTimer(wait)
	defer late.Stop()
	select {
	case <-r.reader.readAfter().done:
		return true
	case <-late.C:
		return !short
	case <-ctx.Done():
		return false
	}
}
