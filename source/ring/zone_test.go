package ring_test

import (
	"context"
	"encoding/json"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// inZone runs the test in a process that is so far east of UTC, or west if less than 0.
func inZone(t *testing.T, east time.Duration) {
	before := time.Local
	time.Local = time.FixedZone("there", int(east/time.Second))
	t.Cleanup(func() { time.Local = before })
}

// timesOf returns every time in a value that is not zero.
func timesOf(v reflect.Value) (times []time.Time) {
	switch v.Kind() {
	case reflect.Struct:
		if at, ok := v.Interface().(time.Time); ok {
			if at.IsZero() {
				return nil
			}
			return []time.Time{at}
		}
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				times = append(times, timesOf(v.Field(i))...)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			times = append(times, timesOf(v.Index(i))...)
		}
	}
	return times
}

// The ring has every time in UTC, wherever the process runs, and none that JSON does not
// have: the status can be marshalled, and the cache is written.
//
// F172
func TestTimesAreUTC(t *testing.T) {
	last := time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	for name, zone := range map[string]time.Duration{"east": 14 * time.Hour, "west": -12 * time.Hour, "at home": 0} {
		for what, change := range map[string]func(set *source.Set){
			"nothing": func(*source.Set) {},
			"the last end that is one": func(set *source.Set) {
				set.Keys[0].ExpiresAt, set.Keys[1].ExpiresAt = last.Local(), last.Local()
			},
			"an end beyond": func(set *source.Set) {
				set.Keys[0].ExpiresAt, set.Keys[1].ExpiresAt = last.Add(time.Second), last.AddDate(50000, 0, 0).Local()
			},
			"an end in the past": func(set *source.Set) { set.Keys[1].ExpiresAt = time.Now().AddDate(-9000, 0, 0) },
			"made far ahead":     func(set *source.Set) { set.Keys[0].CreatedAt = last.AddDate(1, 0, 0).Local() },
			"made long ago":      func(set *source.Set) { set.Keys[0].CreatedAt = last.AddDate(-12000, 0, 0) },
			"made here": func(set *source.Set) {
				set.Keys[0].CreatedAt, set.Keys[0].NotBefore = time.Now(), time.Now()
				set.Keys[1].CreatedAt = time.Now()
			},
			"not before the last":   func(set *source.Set) { set.Keys[1].NotBefore = last.Add(time.Hour).Local() },
			"not before long ago":   func(set *source.Set) { set.Keys[0].NotBefore = last.AddDate(-12000, 0, 0) },
			"a copy of the past":    func(set *source.Set) { set.AsOf = time.Now().Add(-time.Hour) },
			"a copy of long ago":    func(set *source.Set) { set.AsOf = last.AddDate(-12000, 0, 0) },
			"a history":             func(set *source.Set) { set.Keys[1].ReplacedAt = time.Now().Add(-time.Minute) },
			"a history of tomorrow": func(set *source.Set) { set.Keys[1].ReplacedAt = last.AddDate(1, 0, 0) },
			"soon to be replaced":   func(set *source.Set) { set.Keys[0].ExpiresAt = time.Now().Add(time.Hour) },
		} {
			t.Run(name+", "+what, func(t *testing.T) {
				inZone(t, zone)
				synctest.Test(t, func(t *testing.T) {
					cache, s := &memory{}, &store{set: listed("v2", "v1")}
					change(&s.set)
					ev := &events{}
					opts := []ring.Option{ring.WithLogger(nil), ring.WithCache(cache), ring.WithMaxAge(time.Hour), ring.WithObserver(ev.add)}
					check := func(what string, v any) {
						t.Helper()
						if _, err := json.Marshal(v); err != nil {
							t.Errorf("%s: %v", what, err)
						}
						for _, at := range timesOf(reflect.ValueOf(v)) {
							if at.Location() != time.UTC {
								t.Errorf("%s: %v is in %v", what, at, at.Location())
							}
						}
					}
					for _, when := range []string{"new", "restarted"} {
						ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
						defer cancel()
						r, err := ring.Keep(ctx, s, opts...)
						if err != nil {
							t.Fatalf("%s: %v", when, err)
						}
						defer r.Close()
						accepted(t, r, "v2")
						time.Sleep(2 * time.Minute)
						check(when, r.Status())
						check(when, inUse(t, r))
						if data, err := cache.Load(t.Context()); err != nil || !json.Valid(data) {
							t.Errorf("%s: the cache has %q, %v", when, data, err)
						}
						r.Close()
						synctest.Wait()
						for _, e := range ev.list {
							check(string(e.Kind), e)
						}
						s.put(source.Set{}, source.ErrUnavailable) // the restarted one has the cache
					}
				})
			})
		}
	}
}

// A key has no end if that is after the year 9999, and has ended however long ago that was.
//
// F172
func TestTimesBeyondJSON(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := listed("v3", "v2", "v1")
		set.Keys[0].ExpiresAt = time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC)
		set.Keys[1].ExpiresAt = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
		set.Keys[2].ExpiresAt = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
		r, _ := keep(t, &store{set: set})
		accepted(t, r, "v2")
		if v := status(t, r, "v3"); v.Role != ring.RoleRetired {
			t.Errorf("v3 is %s", v.Role)
		}
		if v := status(t, r, "v2"); !v.Until.IsZero() {
			t.Errorf("v2 ends at %v", v.Until)
		}
		if v := status(t, r, "v1"); !v.Until.Equal(set.Keys[2].ExpiresAt) {
			t.Errorf("v1 ends at %v", v.Until)
		}
	})
}
