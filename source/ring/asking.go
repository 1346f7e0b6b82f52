package ring

import (
	"cmp"
	"context"
	"github.com/rollingkeys/rollingkeys/source"
	"time"
)

// An asking is the time in which the source is asked for another key, because every
// one that a request could be sent with was refused. Requests wait in it together.
type asking struct {
	wait   bool          // it goes on for WithRefusalWait; else it is one reading
	opened moment        // a version that came since helps
	look   chan struct{} // closed, and made anew, when something changed
	done   chan struct{} // closed when it is over
	vain   bool          // it brought nothing; valid after done
}

// ask begins an asking, if there is none and the policy allows it; again says that it
// follows one that did not help, so that a pause comes first. The caller holds mu.
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
		look: make(chan struct{}), done: make(chan struct{}),
	}
	r.asking = k
	r.wg.Go(func() { r.search(k, again) })
	return k
}

// search reads the source for all who wait in k, again and again with growing pauses;
// a source that can notify is given some time to do so. What it brings is found by
// [Ring.publish], which ends the asking if it helps. If it does not, the search ends
// the asking in vain.
func (r *Ring) search(k *asking, again bool) {
	ctx, cancel := context.WithTimeout(r.ctx, r.patience())
	defer cancel()
	pause := 100 * time.Millisecond
	if _, ok := r.reader.src.(source.Notifier); ok {
		pause = 1500 * time.Millisecond // it will tell, most likely (F03)
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
	if again {
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
		// No more than a quarter of the time goes by unread: with doubling alone, a
		// key that came in its second half went unseen.
		pause = min(2*pause, max(r.cfg.refusalWait/4, pause))
	}
	now := r.enter()
	defer r.leave()
	if r.asking == k {
		r.policy.askedInVain(k.wait, now)
		k.vain = true
		r.endAsking()
	}
}

// endAsking ends the asking that is under way. The caller holds mu.
func (r *Ring) endAsking() {
	close(r.asking.done)
	r.asking = nil
}

// helps ends the asking if what is published now may help those who wait, and has
// them look in any case. The caller holds mu.
func (r *Ring) helps(before, s *snapshot) {
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
	close(k.look)
	k.look = make(chan struct{})
}

// patience is for how long a refused request waits for the source at most.
func (r *Ring) patience() time.Duration { return cmp.Or(r.cfg.refusalWait, r.cfg.readTimeout) }

// over reports whether a request with that context, or the ring, has ended.
func (r *Ring) over(ctx context.Context) bool { return ctx.Err() != nil || r.ctx.Err() != nil }

// await waits while the source is asked, until choose has found something to send,
// the source was asked in vain, or the request's own time is over. choose is called
// whenever there is something new. With begin, the request has the source asked;
// without, it waits only if others wait too. The caller holds mu, of which await lets
// go while it waits.
func (r *Ring) await(ctx context.Context, begin bool, choose func(now time.Time) bool) {
	late := time.NewTimer(r.patience())
	defer late.Stop()
	now := r.cfg.now()
	for again, over := false, false; !over; again = true {
		k := r.asking
		if begin {
			// If an asking brought something, though nothing for this request, another
			// rotation may be on its way.
			k = r.ask(now, again)
		}
		if k == nil || !begin && !k.wait {
			return
		}
		look := k.look
		r.leave()
		select {
		case <-k.done:
			over = k.vain || !k.wait
		case <-look:
		case <-late.C:
			over = true
		case <-ctx.Done():
			over = true
		case <-r.ctx.Done():
			over = true
		}
		if now = r.enter(); r.over(ctx) || choose(now) {
			return
		}
	}
}

// glance waits for one reading of the source, shared with whoever else wants one,
// and reports whether there was one, or it was too slow to be of use. The caller
// holds mu, of which glance lets go while it waits.
func (r *Ring) glance(ctx context.Context) bool {
	r.leave()
	defer r.mu.Lock()
	late := time.NewTimer(r.patience())
	defer late.Stop()
	select {
	case <-r.reader.readAfter().done:
		return true
	case <-late.C:
		return true
	case <-ctx.Done():
		return false
	}
}
