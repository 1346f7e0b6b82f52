package ring_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// F16: the same content is no rotation, and does not push out the previous key.
func TestSameContentIsNoRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: plain("a")}
		r, ev := keep(t, s)
		time.Sleep(time.Second)
		for range 100 {
			s.put(plain("b"), nil)
			refresh(t, r)
		}
		if n := len(r.Status().Versions); n != 2 {
			t.Errorf("%d versions", n)
		}
		synctest.Wait()
		if ev.count(ring.Switched) != 2 {
			t.Errorf("events %v", ev.kinds())
		}
		a := attempt(t, r, r.Version())
		if !a.Next(t.Context(), false) {
			t.Error("the previous key is gone")
		}
	})
}

// F16: a variable and its _PREVIOUS may hold the same.
func TestSameKeyTwiceInASet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := plain("a")
		set.Keys = append(set.Keys, set.Keys[0])
		s := &store{set: set}
		r, _ := keep(t, s)
		if err := r.Refresh(t.Context()); err != nil {
			t.Errorf("first reading fine, second: %v", err)
		}
	})
}

// F69, F72: the overlap ends at its time, decided at the moment of the refusal.
func TestOverlapEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: plain("a")}
		r, ev := keep(t, s, ring.WithOverlap(time.Minute), ring.WithRefusalWait(0))
		v1 := r.Version()
		time.Sleep(time.Second)
		v2 := rotate(t, s, r, 0, "b")[0]
		accepted(t, r, v2)
		a := attempt(t, r, v2)
		b := attempt(t, r, v2)
		time.Sleep(59 * time.Second)
		c := next(t, &a, v1)
		c.Unknown()
		time.Sleep(time.Second)
		b = next(t, &b, v2) // once more, since it was accepted last
		next(t, &b, "")
		synctest.Wait()
		if ev.count(ring.OverlapEnded) != 1 {
			t.Errorf("events %v", ev.kinds())
		}
	})
}

// WithOverlap(0) keeps no previous key.
func TestNoOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: plain("a")}
		r, _ := keep(t, s, ring.WithOverlap(0), ring.WithRefusalWait(0))
		time.Sleep(time.Second)
		s.put(plain("b"), nil)
		refresh(t, r)
		a := attempt(t, r, r.Version())
		next(t, &a, "")
	})
}

// F69: a key that is listed before its time does not end the overlap of the one before.
func TestOverlapRunsFromTheReplacement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: source.Set{Keys: []source.Key{key("v1")}}}
		r, ev := keep(t, s, ring.WithOverlap(time.Hour), ring.WithPoll(time.Minute))
		k := key("v2")
		k.NotBefore = time.Now().Add(3 * time.Hour)
		s.put(source.Set{Keys: []source.Key{k}}, nil)
		refresh(t, r)
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if _, err := r.Attempt(t.Context(), true); err != nil {
			t.Errorf("%v %q", err, ev.kinds())
		}
	})
}

// F04, F83 and the like: what is empty, torn or unusable never replaces a good key.
func TestBadSetsChangeNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v1")}
		r, _ := keep(t, s, ring.WithPrepare(func(k source.Key) (any, error) {
			if k.Version == "bad" {
				return nil, errors.New("cannot be parsed")
			}
			return nil, nil
		}))
		for name, c := range map[string]struct {
			set  source.Set
			err  error
			want error
		}{
			"nothing":      {want: source.ErrNoKey},
			"no secret":    {set: source.Set{Keys: []source.Key{{Version: "v2"}}}, want: source.ErrInvalid},
			"listed twice": {set: source.Set{Complete: true, Keys: []source.Key{key("v2"), {Version: "v2", Secret: source.NewSecret("sentinel-other")}}}, want: source.ErrInvalid},
			"unusable":     {set: listed("bad"), want: source.ErrUnusable},
			"expired":      {set: source.Set{Keys: []source.Key{{Version: "v2", Secret: source.NewSecret("sentinel-x"), ExpiresAt: time.Now().Add(-1)}}}, want: source.ErrUnusable},
			"error":        {err: source.ErrUnavailable, want: source.ErrUnavailable},
		} {
			s.put(c.set, c.err)
			if err := r.Refresh(t.Context()); !errors.Is(err, c.want) || !strings.Contains(err.Error(), "store") {
				t.Errorf("%s: error %v, want %v", name, err, c.want)
			}
			if v := r.Version(); v != "v1" {
				t.Errorf("%s: version %q", name, v)
			}
		}
		// An unusable key at the head of a list leaves the good one behind it current.
		s.put(listed("bad", "v1"), nil)
		refresh(t, r)
		if v := r.Version(); v != "v1" {
			t.Errorf("version %q", v)
		}
	})
}

// F83: a set that would leave nothing to use does not replace one that works.
func TestNothingLeftToUse(t *testing.T) {
	for name, change := range map[string]func() source.Set{
		"pending": func() source.Set {
			set := listed("v3")
			set.Keys[0].NotBefore = time.Now().Add(time.Hour)
			return set
		},
		"expired": func() source.Set {
			set := listed("v3")
			set.Keys[0].ExpiresAt = time.Now().Add(-time.Hour)
			return set
		},
		"one that is not listed revoked": func() source.Set { return source.Set{Complete: true, Revoked: []string{"v1"}} },
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &store{set: listed("v2", "v1")}
			r, _ := keep(t, s)
			s.put(change(), nil)
			if err := r.Refresh(t.Context()); name != "one that is not listed revoked" && !errors.Is(err, source.ErrNoKey) {
				t.Errorf("%s: error %v", name, err)
			}
			a := attempt(t, r, "v2")
			a.Accepted()
		})
	}
}

// NotBefore, ExpiresAt and the Expiring event, by the clock alone.
func TestDates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		set := listed("v2", "v1")
		set.Keys[0].NotBefore = start.Add(25 * time.Minute)
		set.Keys[0].ExpiresAt = start.Add(115 * time.Minute)
		set.Keys[1].ExpiresAt = start.Add(45 * time.Minute)
		s := &store{set: set}
		r, ev := keep(t, s, ring.WithPoll(1000*time.Hour), ring.WithExpiring(30*time.Minute))
		at := func(d time.Duration, want string) {
			t.Helper()
			time.Sleep(time.Until(start.Add(d)))
			synctest.Wait()
			if v := r.Version(); v != want {
				t.Errorf("after %v: version %q, want %q", d, v, want)
			}
		}
		at(25*time.Minute-1, "v1")
		at(25*time.Minute, "v2")
		at(115*time.Minute-1, "v2")
		at(115*time.Minute, "")
		if _, err := r.Attempt(t.Context(), true); !errors.Is(err, source.ErrNoKey) {
			t.Errorf("error %v", err)
		}
		wantKinds(t, ev, "switched v1", "switched v2", "overlap_ended v1", "expiring v2", "overlap_ended v2", "no_key v2")
		var times []time.Duration
		for _, e := range ev.list {
			if e.Kind != ring.Refreshed {
				times = append(times, e.Time.Sub(start))
			}
		}
		if want := []time.Duration{0, 25 * time.Minute, 45 * time.Minute, 85 * time.Minute, 115 * time.Minute, 115 * time.Minute}; !slices.Equal(times, want) {
			t.Errorf("told at %v, want %v", times, want)
		}
	})
}

// F75: down at start: waits, or fails fast, by choice; later the last good keys.
func TestDownAtStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := &source.Error{Source: "store", Err: source.ErrUnavailable}
		s := &store{err: down}
		if _, err := ring.Keep(t.Context(), s, ring.WithFailFast(), ring.WithLogger(nil)); !errors.Is(err, source.ErrNoKey) || !errors.Is(err, source.ErrUnavailable) {
			t.Errorf("fail fast: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := ring.Keep(ctx, s, ring.WithLogger(nil))
		if !errors.Is(err, source.ErrNoKey) || !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, source.ErrUnavailable) {
			t.Errorf("ctx ended: %v", err)
		}
		go func() {
			time.Sleep(10 * time.Second)
			s.put(listed("v1"), nil)
		}()
		r, _ := keep(t, s)
		s.put(source.Set{}, down)
		time.Sleep(24 * time.Hour)
		a := attempt(t, r, "v1")
		a.Accepted()
	})
}

// F76: age, staleness, and the optional limit.
func TestStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v1")}
		r, ev := keep(t, s, ring.WithPoll(time.Minute), ring.WithMaxStale(time.Hour))
		s.put(source.Set{}, source.ErrUnavailable)
		time.Sleep(2 * time.Minute)
		if st := r.Status(); st.Stale || !st.Healthy {
			t.Errorf("stale too soon: %+v", st)
		}
		time.Sleep(3 * time.Minute)
		if st := r.Status(); !st.Stale || st.Healthy || st.LastError == "" || st.Age < 3*time.Minute {
			t.Errorf("not stale: %+v", st)
		}
		time.Sleep(time.Hour)
		if _, err := r.Attempt(t.Context(), true); !errors.Is(err, ring.ErrStale) {
			t.Errorf("error %v", err)
		}
		s.put(listed("v1"), nil)
		time.Sleep(2 * time.Minute)
		a := attempt(t, r, "v1")
		a.Accepted()
		synctest.Wait()
		if ev.count(ring.Stale) != 2 { // stale, and no longer used
			t.Errorf("events %v", ev.kinds())
		}
	})
}

// A source that revokes the current key and has none to follow yet is obeyed.
//
// F92
func TestRevocationWithoutASuccessor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v1")}
		r, _ := keep(t, s)
		set := listed("v2")
		set.Keys[0].NotBefore = time.Now().Add(time.Hour)
		set.Revoked = []string{"v1"}
		s.put(set, nil)
		refresh(t, r)
		if _, err := r.Attempt(t.Context(), true); !errors.Is(err, source.ErrNoKey) {
			t.Errorf("error %v", err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		accepted(t, r, "v2")
	})
}
