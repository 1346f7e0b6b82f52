package reply

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The limits of what a header may ask for. The ring has narrower ones.
const (
	minAsk = time.Second
	maxAsk = time.Hour
)

// RetryAfter returns the wait that Retry-After asks for, in seconds or as a date (RFC 9110
// section 10.2.3), limited to 1 s to 1 h. If the header is missing or invalid, it returns 0.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if d, ok := deltaSeconds(text); ok {
		return clamp(d)
	}
	if at, err := http.ParseTime(text); err == nil {
		return clamp(at.Sub(now)) // F77: Sub does not overflow, even for the year 9999
	}
	return 0
}

// FreshFor returns how long a response is fresh: Cache-Control's max-age minus Age (RFC 9111
// section 4.2), limited to 1 s to 1 h. It returns 0, so that the ring decides, if max-age is
// missing, invalid or over, and for no-cache, no-store and max-age=0. These ask a cache to check
// at every use. The ring's poll does that. To read without a pause would flood the server (F81).
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
					left = d // of two, the shorter one counts
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

// deltaSeconds parses a number of seconds, which consists of digits. A larger number than 2^31
// counts as 2^31 (RFC 9111 section 1.2.2).
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
