package remote

import (
	"context"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/rollingkeys/rollingkeys/source/internal/await"
)

const (
	defaultWait = 50 * time.Second
	maxWait     = 10 * time.Minute
	grace       = 10 * time.Second // beyond the wait, for an answer to arrive

	minGap  = 5 * time.Millisecond // after an answer that came too soon, doubled for each in a row
	maxGap  = 30 * time.Second
	newGap  = time.Second      // instead, if it brought another document and said that it waits
	burst   = 256              // other documents in a row that may come too soon before the gap grows
	reprobe = 10 * time.Minute // until a server that answers at once is asked again
)

// Notify calls changed once when it starts and then whenever a long poll
// brings another document, which Read then asks for anew: another change may
// have followed. It begins with the first ETag that a Read gets: without one the
// endpoint cannot know what we hold, and Notify only waits for ctx.
//
// Against an endpoint that does not hold its answers (neither
// Preference-Applied: wait nor a 304 that took at least half the wait) Notify
// stays silent and probes again every 10 minutes or so; polling rules. It
// returns nil when ctx ends and an error of the kinds that Read has when a
// request fails.
func (s *Source) Notify(ctx context.Context, changed func()) error {
	defer s.transport.CloseIdleConnections() // F104: the ring is going
	// What changed asks for is read after this, so it is base or later, and no
	// change lies between (F14).
	base := s.peek()
	changed()
	if s.wait == 0 {
		<-ctx.Done()
		return nil
	}
	select {
	case <-s.tagged:
	case <-ctx.Done():
		return nil
	}
	if base.etag == "" {
		base = s.peek()
	}
	for soon := 0; ; {
		// What a poll or another ring read meanwhile may be news to this one.
		if last := s.peek(); !last.same(base) {
			base = last
			changed()
		}
		started := time.Now()
		got, err := s.longPoll(ctx, base)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		// Another ETag on the same document is no change (F80).
		isNew, applied := !got.body.Equal(base.body), got.applied
		if !got.same(base) {
			s.keep(got)
			base = got
		}
		if isNew {
			changed()
		}
		// Honest servers are asked again at once. One that answers sooner than
		// a wait is worth, whatever it says, costs a pause that grows (F81).
		least, most := min(s.wait/2, time.Second), maxGap
		if isNew && applied {
			least, most = minGap, newGap
		}
		held := time.Since(started)
		switch {
		case !isNew && !applied && held < s.wait/2:
			_ = await.Sleep(ctx, around(reprobe))
		case held < least:
			if !isNew {
				soon = max(soon, burst) // no change, no excuse
			}
			_ = await.Sleep(ctx, around(min(minGap<<max(soon-burst, 0), most)))
			soon = min(soon+1, burst+16)
		default:
			soon = 0
		}
	}
}

// longPoll asks the endpoint to answer when it has something else than base.
func (s *Source) longPoll(ctx context.Context, base reading) (reading, error) {
	if base.etag == "" { // the endpoint has ceased to name one
		base.applied = false
		return base, nil
	}
	wait := max(time.Second, s.wait-rand.N(s.wait/5))
	ctx, cancel := context.WithTimeout(ctx, wait+grace)
	defer cancel()
	return s.get(ctx, base, wait)
}

// waitApplied reports whether the server says that it held its answer:
// Preference-Applied: wait (RFC 7240 section 3).
func waitApplied(h http.Header) bool {
	for _, line := range h.Values("Preference-Applied") {
		for pref := range strings.SplitSeq(line, ",") {
			name, _, _ := strings.Cut(pref, "=")
			if strings.EqualFold(strings.TrimSpace(name), "wait") {
				return true
			}
		}
	}
	return false
}

// around returns d, give or take a fifth (F77).
func around(d time.Duration) time.Duration { return d - d/5 + rand.N(2*d/5) }
