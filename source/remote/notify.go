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
	grace       = 10 * time.Second // after the wait, for the response to arrive

	minGap  = 5 * time.Millisecond // the first pause after an early response; it doubles with each in a row
	maxGap  = 30 * time.Second     // the longest pause
	newGap  = time.Second          // the longest pause if the responses were new documents with Preference-Applied: wait
	burst   = 256                  // how many new documents in a row may come early before the pause grows
	reprobe = 10 * time.Minute     // until the next long poll to a server that does not support them
)

// Notify calls changed once when it starts, and then whenever a long poll returns another
// document. Read asks for the document again, because another change may have followed.
// Notify begins its long polls after a Read has got an ETag. Without one, the endpoint cannot
// know which document the source has, and Notify only waits for ctx.
//
// An endpoint supports long polls if it sends Preference-Applied: wait, or if a 304 takes at
// least half of the wait. If an endpoint does not, Notify tries again about every 10 min, and
// the ring polls.
//
// Notify returns nil when ctx ends. If a request fails, it returns an error of the kinds that
// Read returns.
func (s *Source) Notify(ctx context.Context, changed func()) error {
	defer s.transport.CloseIdleConnections() // F104: the ring is closing
	// F14: changed makes the ring read after this line, so it reads base or a later document.
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
		// A poll, or another ring, may have read a document that this ring has not seen.
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
		// F80: the same document with another ETag is no change.
		isNew, applied := !got.body.Equal(base.body), got.applied
		if !got.same(base) {
			s.keep(got)
			base = got
		}
		if isNew {
			changed()
		}
		// F81: after an early response, whatever it says, the pause grows. Otherwise the next
		// long poll follows at once.
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
				soon = max(soon, burst) // without a new document the pause grows at once
			}
			_ = await.Sleep(ctx, around(min(minGap<<max(soon-burst, 0), most)))
			soon = min(soon+1, burst+16)
		default:
			soon = 0
		}
	}
}

// longPoll asks the endpoint to answer when it has another document than base.
func (s *Source) longPoll(ctx context.Context, base reading) (reading, error) {
	if base.etag == "" { // the last response had no ETag
		base.applied = false
		return base, nil
	}
	wait := max(time.Second, s.wait-rand.N(s.wait/5))
	ctx, cancel := context.WithTimeout(ctx, wait+grace)
	defer cancel()
	return s.get(ctx, base, wait)
}

// waitApplied reports whether the response has Preference-Applied: wait (RFC 7240 section 3).
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

// around returns d, plus or minus a fifth at random (F77).
func around(d time.Duration) time.Duration { return d - d/5 + rand.N(2*d/5) }
