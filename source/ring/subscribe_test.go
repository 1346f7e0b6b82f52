package ring_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// Who subscribes after the ring was made hears what has been wrong since before, and hears
// it once.
//
// F130
func TestLateSubscriberIsToldWhatHolds(t *testing.T) {
	for name, c := range map[string]struct {
		set  func(s *source.Set)
		opts []ring.Option
		do   func(t *testing.T, s *store, r *ring.Ring)
		want string
	}{
		"nothing":                 {want: ""},
		"a key that expires soon": {set: func(s *source.Set) { s.Keys[0].ExpiresAt = time.Now().Add(12 * time.Second) }, want: "expiring v2"},
		"a stale source": {do: func(_ *testing.T, s *store, _ *ring.Ring) {
			s.put(source.Set{}, source.ErrDenied)
			time.Sleep(time.Hour)
		}, want: "stale"},
		"fell back": {do: func(t *testing.T, _ *store, r *ring.Ring) { fallsBack(t, r, "v2", "v1") }, want: "fell_back v1"},
		"fell back for long": {do: func(t *testing.T, _ *store, r *ring.Ring) {
			fallsBack(t, r, "v2", "v1")
			time.Sleep(time.Hour)
		}, want: "fell_back v1, degraded v1"},
		"all refused": {do: func(t *testing.T, _ *store, r *ring.Ring) {
			a := attempt(t, r, "v2")
			for a.Next(t.Context(), false) {
			}
		}, want: "all_refused v2"},
		"no key": {do: func(t *testing.T, s *store, r *ring.Ring) {
			s.put(source.Set{Revoked: []string{"v1", "v2"}}, nil)
			refresh(t, r)
		}, want: "no_key v2"},
		"passed": {do: func(t *testing.T, _ *store, r *ring.Ring) {
			fallsBack(t, r, "v2", "v1")
			time.Sleep(2 * time.Minute)
			accepted(t, r, "v2")
		}, want: ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &store{set: listed("v2", "v1")}
				if c.set != nil {
					c.set(&s.set)
				}
				r, all := keep(t, s, append([]ring.Option{ring.WithPoll(10 * time.Second)}, c.opts...)...)
				if c.do != nil {
					c.do(t, s, r)
				}
				late := &events{}
				r.Subscribe(late.add)
				synctest.Wait()
				if got := strings.Join(late.kinds(), ", "); got != c.want {
					t.Errorf("told %q, want %q", got, c.want)
				}
				for _, e := range late.list {
					if e.Kind == ring.Refreshed {
						continue
					}
					if e.Source != "store" || e.Time.IsZero() || e.Time.After(time.Now()) || e.Err == nil {
						t.Errorf("%+v", e)
					}
					if n := all.count(e.Kind); n != 1 {
						t.Errorf("the first observer was told of %s %d times", e.Kind, n)
					}
				}
			})
		})
	}
}

// A closed ring tells a new subscriber nothing: what held at its end holds no more. Its
// status has no time of the year 1.
//
// F130
func TestSubscribeAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := keep(t, &store{set: listed("v2", "v1")})
		fallsBack(t, r, "v2", "v1")
		r.Close()
		late := &events{}
		r.Subscribe(late.add)()
		synctest.Wait()
		r.Subscribe(late.add)
		synctest.Wait()
		if kinds := late.kinds(); len(kinds) != 0 {
			t.Errorf("told %q", kinds)
		}
		(&ring.Ring{}).Subscribe(late.add)()
		if text, err := json.Marshal(r.Status().Degraded); err != nil || !strings.Contains(string(text), "closed") || strings.Contains(string(text), "0001-01-01") {
			t.Errorf("%s, %v", text, err)
		}
	})
}

// A key that expires is announced a week ahead, every day, with the date.
//
// F130
func TestExpiringIsSaidDaily(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		end := time.Now().Add(9 * 24 * time.Hour)
		set := listed("v1")
		set.Keys[0].ExpiresAt = end
		r, ev := keep(t, &store{set: set}, ring.WithPoll(time.Hour), ring.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		time.Sleep(10 * 24 * time.Hour)
		synctest.Wait()
		first := true
		for _, e := range ev.list {
			if e.Kind != ring.Expiring {
				continue
			}
			if first && end.Sub(e.Time) != 7*24*time.Hour || !e.Until.Equal(end) || !strings.Contains(e.Err.Error(), end.Format(time.RFC3339)) {
				t.Errorf("%+v", e)
			}
			first = false
		}
		if n := ev.count(ring.Expiring); n != 7 || ev.count(ring.NoKey) != 1 {
			t.Errorf("told %d times: %q", n, ev.kinds())
		}
		if text := log.String(); strings.Count(text, "key.until=2000-01-10") != 7 {
			t.Error(text)
		}
		if d := r.Status().Degraded; len(d) != 1 || d[0].Kind != ring.NoKey {
			t.Errorf("%+v", d)
		}
	})
}

// WithMaxAge says when a key that has no date should be replaced, also after a restart. The
// key stays in use.
//
// F130
func TestMaxAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, cache := &store{set: one("v1")}, &memory{}
		opts := []ring.Option{ring.WithMaxAge(90 * 24 * time.Hour), ring.WithCache(cache), ring.WithPoll(time.Hour)}
		end := time.Now().Add(90 * 24 * time.Hour)
		r, ev := keep(t, s, opts...)
		time.Sleep(82 * 24 * time.Hour)
		synctest.Wait()
		if n := ev.count(ring.Expiring); n != 0 || !r.Status().Healthy {
			t.Errorf("told %d times", n)
		}
		r.Close()
		r, ev = keep(t, s, opts...)
		time.Sleep(10 * 24 * time.Hour)
		synctest.Wait()
		if d := r.Status().Degraded; len(d) != 1 || d[0].Kind != ring.Expiring || !d[0].Until.Equal(end) || ev.count(ring.Expiring) != 10 {
			t.Errorf("%+v, %q", d, ev.kinds())
		}
		accepted(t, r, "v1")
	})
}

// A source that renews its keys is not reported for every token.
//
// F130
func TestRenewedKeysAreNotReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{}
		issue := func() {
			set := plain(time.Now().String())
			set.Keys[0].ExpiresAt, set.Renews = time.Now().Add(time.Hour), true
			s.put(set, nil)
		}
		issue()
		r, ev := keep(t, s)
		for range 10 {
			time.Sleep(time.Hour - 40*time.Second)
			if st := r.Status(); !st.Healthy {
				t.Errorf("%+v", st.Degraded)
			}
			issue()
			refresh(t, r)
		}
		if n := ev.count(ring.Expiring); n != 0 {
			t.Errorf("told %d times", n)
		}
		s.put(source.Set{}, source.ErrDenied)
		time.Sleep(time.Hour - time.Minute)
		synctest.Wait()
		if n := ev.count(ring.Expiring); n != 1 {
			t.Errorf("told %d times that it cannot be renewed", n)
		}
	})
}
