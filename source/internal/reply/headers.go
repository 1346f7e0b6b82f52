package reply

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The bounds of what a header may ask for. The ring has tighter ones of its own.
const (
	minAsk = time.Second
	maxAsk = time.Hour
)

// RetryAfter reads Retry-After, seconds or a date (RFC 9110 section 10.2.3),
// clamped to [1 s, 1 h]. Without the header, or with junk in it, it returns 0.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if d, ok := deltaSeconds(text); ok {
		return clamp(d)
	}
	if at, err := http.ParseTime(text); err == nil {
		return clamp(at.Sub(now)) // F77: Sub saturates, so the year 9999 does not wrap around
	}
	return 0
}

// FreshFor reads for how long an answer is fresh: Cache-Control's max-age less
// Age (RFC 9111 section 4.2), clamped to [1 s, 1 h]. It returns 0, which leaves
// it to the ring, where there is no max-age, or junk, or nothing left of it, or
// the server says no-cache, no-store or max-age=0. Those ask for a look at
// every use: the poll is one, and a loop without a pause would be abuse (F81).
func FreshFor(h http.Header) time.Duration {
	left := time.Duration(-1)
	for _, line := range h.Values("Cache-Control") {
		for directive := range strings.SplitSeq(line, ",") {
			name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
			switch strings.ToLower(name) {
			case "no-store", "no-cache":
				return 0
			case "max-age":
				d, ok := deltaSeconds(strings.Trim(value, `"`))
				if !ok {
					return 0
				}
				if left < 0 || d < left {
					left = d // of two, the stricter
				}
			}
		}
	}
	if age, ok := deltaSeconds(h.Get("Age")); ok {
		left -= age
	}
	if left <= 0 {
		return 0
	}
	return clamp(left)
}

// deltaSeconds reads a number of seconds: digits only, and what is too large
// for the type saturates at 2^31 (RFC 9111 section 1.2.2).
func deltaSeconds(text string) (time.Duration, bool) {
	const most = 1 << 31
	if text == "" || strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n > most {
		n = most
	}
	return time.Duration(n) * time.Second, true
}

func clamp(d time.Duration) time.Duration { return min(max(d, minAsk), maxAsk) }
