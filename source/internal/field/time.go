package field

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Time returns the time that text says: in the form of RFC 3339, in that of ISO 8601 as other
// tools write it, or in seconds since 1970. The form of ISO 8601 may have a space for the T, no
// colon in its offset, and no offset at all: then naive is true, and the time is taken as UTC.
// Numbers that are no seconds of our time, such as milliseconds, are refused.
func Time(text string) (t time.Time, naive, ok bool) {
	if sec, err := strconv.ParseFloat(text, 64); err == nil {
		if !(1e8 < sec && sec < 1e11) {
			return time.Time{}, false, false
		}
		whole, fraction := math.Modf(sec)
		return time.Unix(int64(whole), int64(fraction*1e9)).UTC(), false, true
	}
	text = strings.Replace(text, " ", "T", 1)
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, layout == "2006-01-02T15:04:05", true
		}
	}
	return time.Time{}, false, false
}

// NotATime and Naive say what is wrong with a time.
const (
	NotATime = "is not a time in the form of RFC 3339, such as 2026-11-23T12:00:00Z, or in seconds since 1970"
	Naive    = "has no time zone and is taken as UTC: write it like 2026-11-23T12:00:00Z"
)
