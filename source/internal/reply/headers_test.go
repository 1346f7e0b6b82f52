package reply_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/source/internal/reply"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// F77
func TestRetryAfter(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"":                               0,
		"-1":                             0,
		"+5":                             0,
		"1.5":                            0,
		"1e9":                            0,
		"soon":                           0,
		"0":                              time.Second,
		"17":                             17 * time.Second,
		" 17 ":                           17 * time.Second,
		"3600":                           time.Hour,
		"3601":                           time.Hour,
		"9223372037":                     time.Hour, // as a time.Duration this overflows
		"9223372036854775808":            time.Hour, // as an int64 this overflows too
		"99999999999999999999999999999":  time.Hour,
		"Mon, 23 Nov 2026 12:02:00 GMT":  2 * time.Minute,
		"Monday, 23-Nov-26 12:02:00 GMT": 2 * time.Minute, // RFC 850
		"Mon Nov 23 12:02:00 2026":       2 * time.Minute, // asctime
		"Mon, 23 Nov 2026 11:00:00 GMT":  time.Second,
		"Fri, 31 Dec 9999 23:59:59 GMT":  time.Hour,
		"Mon, 32 Nov 2026 12:02:00 GMT":  0,
	} {
		if got := reply.RetryAfter(http.Header{"Retry-After": {text}}, noon); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

// F81
func TestFreshFor(t *testing.T) {
	for _, tc := range []struct {
		control []string
		age     string
		want    time.Duration
	}{
		{nil, "", 0},
		{nil, "5", 0},
		{[]string{"max-age=60"}, "", time.Minute},
		{[]string{"private, Max-Age=\"60\", must-revalidate"}, "", time.Minute},
		{[]string{"private", "max-age=60"}, "", time.Minute},
		{[]string{"max-age=60, max-age=30"}, "", 30 * time.Second},
		{[]string{"max-age=60"}, "15", 45 * time.Second},
		{[]string{"max-age=60"}, "60", 0},
		{[]string{"max-age=60"}, "junk", time.Minute},
		{[]string{"max-age=31536000"}, "", time.Hour},
		{[]string{"max-age=31536000"}, "86400", time.Hour},
		{[]string{"max-age=9223372037"}, "", time.Hour},
		{[]string{"max-age=99999999999999999999"}, "99999999999999999999", 0},
		{[]string{"max-age=0"}, "", 0},
		{[]string{"max-age=-1"}, "", 0},
		{[]string{"max-age"}, "", 0},
		{[]string{"max-age=soon"}, "", 0},
		{[]string{"no-store, max-age=60"}, "", 0},
		{[]string{"max-age=60", "no-cache"}, "", 0},
		{[]string{"s-maxage=60"}, "", 0},
	} {
		h := http.Header{"Cache-Control": tc.control}
		if tc.age != "" {
			h.Set("Age", tc.age)
		}
		if got := reply.FreshFor(h); got != tc.want {
			t.Errorf("%q, Age %q: %v, want %v", tc.control, tc.age, got, tc.want)
		}
	}
}

// F77, F112
func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{"", "-1", "0", "3600", "9223372037", "Fri, 31 Dec 9999 23:59:59 GMT", "soon"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := reply.RetryAfter(http.Header{"Retry-After": {text}}, noon)
		if got != 0 && (got < time.Second || got > time.Hour) {
			t.Errorf("%q: %v", text, got)
		}
	})
}

// F81, F112
func FuzzCacheControl(f *testing.F) {
	for _, seed := range []string{"", "max-age=0", "max-age=60", "no-store", "max-age=\"9223372037\", private"} {
		f.Add(seed, "5")
	}
	f.Fuzz(func(t *testing.T, control, age string) {
		got := reply.FreshFor(http.Header{"Cache-Control": {control}, "Age": {age}})
		if got != 0 && (got < time.Second || got > time.Hour) {
			t.Errorf("%q, Age %q: %v", control, age, got)
		}
	})
}
