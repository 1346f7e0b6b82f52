package ring_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// A restart within an overlap still has the previous key, for the rest of the
// overlap; a restart while the source is down still starts.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache := &memory{}
		s := &store{set: plain("a")}
		opts := []ring.Option{ring.WithCache(cache), ring.WithOverlap(time.Hour), ring.WithRefusalWait(0)}
		r, _ := keep(t, s, opts...)
		v1 := r.Version()
		time.Sleep(time.Minute)
		s.put(plain("b"), nil)
		refresh(t, r)
		v2 := r.Version()
		accepted(t, r, v2)
		time.Sleep(30 * time.Minute)
		r.Close()

		r, ev := keep(t, s, opts...)
		a := attempt(t, r, v2)
		b := next(t, &a, v1)
		b.Unknown()
		accepted(t, r, v2)
		if st := r.Status(); st.Stale {
			t.Errorf("stale: %+v", st)
		}
		time.Sleep(31 * time.Minute)
		a = attempt(t, r, v2)
		a = next(t, &a, v2) // once more, since it was accepted last
		next(t, &a, "")
		r.Close()
		wantKinds(t, ev, "switched "+v2, "overlap_ended "+v1, "refused "+v2, "all_refused "+v2)

		s.put(source.Set{}, source.ErrUnavailable)
		r, _ = keep(t, s, opts...)
		a = attempt(t, r, v2)
		a.Accepted()
		if st := r.Status(); !st.Stale || st.Healthy {
			t.Errorf("keys out of the cache are not stale: %+v", st)
		}
	})
}

// A start that has cached keys waits for a slow source for 2 s, and no longer for
// one that hangs.
func TestStartWithACacheIsQuick(t *testing.T) {
	for name, c := range map[string]struct {
		slow, took time.Duration
		version    string
	}{
		"slow":  {1500 * time.Millisecond, 1500 * time.Millisecond, "v2"},
		"hangs": {time.Hour, 2 * time.Second, "v1"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, cache := &held{store{set: listed("v1")}}, &memory{}
				r, _ := keep(t, s, ring.WithCache(cache))
				r.Close()
				s.put(listed("v2"), nil)
				time.AfterFunc(c.slow, s.hold())
				start := time.Now()
				r, _ = keep(t, s, ring.WithCache(cache))
				if d := time.Since(start); d != c.took || r.Version() != c.version {
					t.Errorf("%s in use after %v, want %s after %v", r.Version(), d, c.version, c.took)
				}
				time.Sleep(2 * time.Hour)
				accepted(t, r, "v2")
			})
		})
	}
}

// What a restart finds in the cache is what there was: whole keys, their age, and
// which of them were current.
//
// F76, F90
func TestRestartFindsWhatThereWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := key("v1")
		k.ID, k.Extra = "id", map[string]source.Secret{"passphrase": source.NewSecret("sentinel-pass")}
		k.Scopes, k.Metadata = []string{"read"}, map[string]string{"team": "x"}
		k.CreatedAt, k.NotBefore, k.ExpiresAt = time.Now().UTC(), time.Now().UTC(), time.Now().Add(9*time.Hour).UTC()
		s, cache := &store{set: source.Set{Keys: []source.Key{k}}}, &memory{}
		opts := []ring.Option{ring.WithCache(cache), ring.WithPoll(time.Minute), ring.WithOverlap(5 * time.Hour), ring.WithoutRollback()}
		r, _ := keep(t, s, opts...)
		time.Sleep(4 * time.Minute) // less than the cache is saved after in any case
		read := r.Status().LastRead
		r.Close()
		s.put(source.Set{}, source.ErrUnavailable)
		time.Sleep(time.Hour)
		r, _ = keep(t, s, opts...)
		got, err := r.InUse()
		if err != nil || !got.SameContent(k) || !slices.Equal(got.Scopes, k.Scopes) || got.Metadata["team"] != "x" ||
			!got.CreatedAt.Equal(k.CreatedAt) || !got.NotBefore.Equal(k.NotBefore) || !got.ExpiresAt.Equal(k.ExpiresAt) {
			t.Errorf("%+v, %v", got, err)
		}
		if st := r.Status(); !st.LastRead.Equal(read) || st.Age != time.Since(read) || !st.Stale {
			t.Errorf("last read %v, want %v: %+v", st.LastRead, read, st)
		}
		s.put(one("v2"), nil)
		refresh(t, r)
		r.Close()
		r, _ = keep(t, s, opts...)
		s.put(source.Set{Keys: []source.Key{k}}, nil)
		if err := r.Refresh(t.Context()); !errors.Is(err, ring.ErrRollback) {
			t.Errorf("back to what was current before the restart: %v", err)
		}
	})
}

// Keys that a source listed besides the current one stay, while it is down: the
// overlap is for those that it replaced.
func TestListedKeysOutlastARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, cache := &store{set: listed("v2", "v1")}, &memory{}
		opts := []ring.Option{ring.WithCache(cache), ring.WithOverlap(time.Minute)}
		r, _ := keep(t, s, opts...)
		r.Close()
		s.put(source.Set{}, source.ErrUnavailable)
		r, _ = keep(t, s, opts...)
		time.Sleep(time.Hour)
		fallsBack(t, r, "v2", "v1")
	})
}
