package ring

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
)

// When the source is read next, at the least and at the most that jitter makes of it.
//
// F75, F77, F81
func TestHealthPause(t *testing.T) {
	down := fmt.Errorf("%w: refused", source.ErrUnavailable)
	asks := func(d time.Duration) error { return &source.Error{Err: down, RetryAfter: d} }
	none := fmt.Errorf("%w: revoked", source.ErrNoKey)
	for _, row := range []struct {
		name        string
		poll, hint  time.Duration
		failures    int
		err         error // of the last reading
		told        bool
		missing     error
		least, most time.Duration
	}{
		{name: "by default", least: 27 * time.Second, most: 33 * time.Second},
		{name: "by WithPoll", poll: 10 * time.Minute, hint: time.Second, least: 9 * time.Minute, most: 11 * time.Minute},
		{name: "by the source's word", hint: 10 * time.Minute, least: 9 * time.Minute, most: 11 * time.Minute},
		{name: "not every nanosecond", hint: 1, least: 900 * time.Millisecond, most: 1100 * time.Millisecond},
		{name: "not once a year", hint: 8760 * time.Hour, least: 54 * time.Minute, most: 66 * time.Minute},
		{name: "without a key", poll: time.Hour, missing: none, least: 4500 * time.Millisecond, most: 5500 * time.Millisecond},
		{name: "without a key, polled often", poll: 2 * time.Second, missing: none, least: 1800 * time.Millisecond, most: 2200 * time.Millisecond},
		{name: "too old a key is no reason to hurry", poll: time.Hour, missing: ErrStale, least: 54 * time.Minute, most: 66 * time.Minute},

		{name: "failing, with keys, as often as polled", poll: 10 * time.Second, failures: 1, err: down, least: 9 * time.Second, most: 11 * time.Second},
		{name: "failing, with keys, polled seldom", poll: time.Hour, failures: 9, err: down, least: 54 * time.Second, most: 66 * time.Second},
		{name: "failing again, with keys", poll: 10 * time.Second, failures: 4, err: down, least: 9 * time.Second, most: 11 * time.Second},
		{name: "failing, without keys", failures: 1, err: down, missing: none, least: 500 * time.Millisecond, most: 1500 * time.Millisecond},
		{name: "failing again", failures: 4, err: down, missing: none, least: 4 * time.Second, most: 12 * time.Second},
		{name: "failing for as long as an interval", failures: 6, err: down, missing: none, least: 27 * time.Second, most: 33 * time.Second},
		{name: "failing, without keys, polled seldom", poll: time.Hour, failures: 99, err: down, missing: none, least: 30 * time.Second, most: 90 * time.Second},
		{name: "failing, with news to be read", failures: 1, err: down, told: true, least: 500 * time.Millisecond, most: 1500 * time.Millisecond},

		{name: "the source asks for time", failures: 1, err: asks(2 * time.Minute), missing: none, least: 108 * time.Second, most: 132 * time.Second},
		{name: "with keys, too", failures: 1, err: asks(2 * time.Minute), least: 108 * time.Second, most: 132 * time.Second},
		{name: "less than an interval is no reason to hurry", failures: 1, err: asks(2 * time.Second), least: 27 * time.Second, most: 33 * time.Second},
		{name: "no time at all", failures: 1, err: asks(1), missing: none, least: 900 * time.Millisecond, most: 1100 * time.Millisecond},
		{name: "a day", failures: 1, err: asks(24 * time.Hour), missing: none, least: 270 * time.Second, most: 330 * time.Second},
	} {
		t.Run(row.name, func(t *testing.T) {
			for random, want := range map[float64]time.Duration{0: row.least, 1: row.most} {
				h := health{poll: row.poll, hint: row.hint, failures: row.failures, lastErr: row.err, random: func() float64 { return random }}
				if got := h.pause(row.told, row.missing); got.Round(time.Microsecond) != want {
					t.Errorf("%v at random %v, want %v", got, random, want)
				}
			}
		})
	}
}

// The first poll comes at any time of an interval.
//
// F77
func TestHealthFirst(t *testing.T) {
	for random, want := range map[float64]time.Duration{0: 0, 0.5: 30 * time.Second, 1: 66 * time.Second} {
		if got := (&health{poll: time.Minute, random: func() float64 { return random }}).firstPause(); got != want {
			t.Errorf("%v at random %v, want %v", got, random, want)
		}
	}
	different := make(map[time.Duration]bool)
	for range 50 {
		different[new(health).firstPause()] = true
	}
	if len(different) < 45 {
		t.Errorf("%d pauses", len(different))
	}
}

// The age of the last reading is what the clock says that says more.
//
// F72, F76
func TestAgeByEitherClock(t *testing.T) {
	start := time.Now()
	h := health{lastRead: start}
	for name, c := range map[string]struct {
		now time.Time
		age time.Duration
	}{
		"both":          {start.Add(time.Minute), time.Minute},
		"slept":         {setWall(start.Add(time.Minute), time.Hour), time.Hour + time.Minute},
		"wall set back": {setWall(start.Add(time.Hour), -time.Hour), time.Hour},
	} {
		if got := h.age(c.now); got != c.age {
			t.Errorf("%s: %v, want %v", name, got, c.age)
		}
	}
}

// When keys are stale, outdated, or neither, and when either comes.
//
// F76
func TestHealthStale(t *testing.T) {
	start := time.Unix(1e9, 0)
	for _, row := range []struct {
		name            string
		health          health
		stale, outdated bool
		next            time.Duration // after now; 0: never
	}{
		{"fresh", health{reads: 1}, false, false, 80 * time.Second},
		{"three intervals old", health{reads: 1, lastRead: start.Add(-80 * time.Second)}, true, false, 0},
		{"by WithStaleAfter", health{reads: 1, staleAfter: 10 * time.Second}, true, false, 0},
		{"not yet", health{reads: 1, staleAfter: 11 * time.Second}, false, false, time.Second},
		{"outdated next", health{reads: 1, maxStale: 15 * time.Second}, false, false, 5 * time.Second},
		{"outdated", health{reads: 1, maxStale: 10 * time.Second}, false, true, 80 * time.Second},
		{"out of the cache", health{cached: true, staleAfter: time.Second}, false, false, 0},
		{"out of the cache, and the source is down", health{cached: true, reads: 1, failures: 1}, true, false, 80 * time.Second},
	} {
		t.Run(row.name, func(t *testing.T) {
			h, now := row.health, start.Add(10*time.Second)
			if h.lastRead.IsZero() {
				h.lastRead = start
			}
			if h.check(now); h.stale != row.stale {
				t.Errorf("stale %v", h.stale)
			}
			if got := h.outdated(now); got != row.outdated {
				t.Errorf("outdated %v", got)
			}
			if at := h.next(now); row.next == 0 && !at.IsZero() || row.next != 0 && at.Sub(now) != row.next {
				t.Errorf("next at %v", at.Sub(now))
			}
		})
	}
}

// What a reading leaves behind.
//
// F76, F81
func TestHealthReadings(t *testing.T) {
	now := time.Unix(1e9, 0)
	h := health{}
	h.restored(now.Add(-time.Hour))
	same := errors.New("down")
	for _, step := range []struct {
		err  error
		asOf time.Duration // before now
		news bool          // it failed otherwise, or recovered
	}{
		{err: same, news: true},
		{err: errors.New("down")},
		{err: errors.New("up side down"), news: true},
		{news: true},
		{asOf: time.Minute},
		{asOf: -time.Minute},
		{err: same, news: true},
	} {
		var news bool
		if step.err != nil {
			news = h.failedWith(step.err)
		} else {
			news = h.succeeded(now.Add(-step.asOf), now, time.Second)
			if h.cached || h.lastErr != nil || h.hint != time.Second || now.Sub(h.lastRead) != max(step.asOf, 0) {
				t.Errorf("%+v: %+v", step, h)
			}
		}
		if news != step.news {
			t.Errorf("%+v: news %v", step, news)
		}
	}
	if h.reads != 7 || h.failed != 4 || h.failures != 1 {
		t.Errorf("%+v", h)
	}
}
