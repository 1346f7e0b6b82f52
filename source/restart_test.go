package source_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
)

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
				r, _ := keep(t, s, source.WithCache(cache))
				r.Close()
				s.put(listed("v2"), nil)
				time.AfterFunc(c.slow, s.hold())
				start := time.Now()
				r, _ = keep(t, s, source.WithCache(cache))
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
		opts := []source.Option{source.WithCache(cache), source.WithPoll(time.Minute), source.WithOverlap(5 * time.Hour), source.WithoutRollback()}
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
		if err := r.Refresh(t.Context()); !errors.Is(err, source.ErrRollback) {
			t.Errorf("back to what was current before the restart: %v", err)
		}
	})
}

// A process that ends without Close leaves a cache that is 5 minutes old at most.
//
// F76
func TestCacheIsSavedNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, cache := &store{set: listed("v1")}, &memory{}
		keep(t, s, source.WithCache(cache), source.WithPoll(time.Minute))
		time.Sleep(time.Hour)
		s.put(source.Set{}, source.ErrUnavailable)
		r, _ := keep(t, s, source.WithCache(&memory{data: []byte(cache.text())}))
		if age := r.Status().Age; age > 7*time.Minute {
			t.Errorf("the cache is %v old", age)
		}
	})
}

// Keys that a source listed besides the current one stay, while it is down: the
// overlap is for those that it replaced.
func TestListedKeysOutlastARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, cache := &store{set: listed("v2", "v1")}, &memory{}
		opts := []source.Option{source.WithCache(cache), source.WithOverlap(time.Minute)}
		r, _ := keep(t, s, opts...)
		r.Close()
		s.put(source.Set{}, source.ErrUnavailable)
		r, _ = keep(t, s, opts...)
		time.Sleep(time.Hour)
		fallsBack(t, r, "v2", "v1")
	})
}

// A key that the scheme cannot use, one that has expired and one that was revoked
// are not in the cache: a restart would find the first current.
//
// F19, F102
func TestUselessKeysAreNotCached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		prepare := func(k source.Key) (any, error) {
			if k.Version == "bad" {
				return nil, errors.New("cannot be parsed")
			}
			return nil, nil
		}
		set := listed("bad", "v3", "v2", "v1")
		set.Keys[2].ExpiresAt = time.Now().Add(time.Minute)
		s, cache := &store{set: set}, &memory{}
		r, _ := keep(t, s, source.WithCache(cache), source.WithPrepare(prepare))
		time.Sleep(2 * time.Minute)
		if err := r.Revoke("v1"); err != nil {
			t.Fatal(err)
		}
		r.Close()
		for _, useless := range []string{"sentinel-bad", "sentinel-v2", "sentinel-v1"} {
			if strings.Contains(cache.text(), useless) || !strings.Contains(cache.text(), "sentinel-v3") {
				t.Errorf("%s is in the cache: %t", useless, strings.Contains(cache.text(), useless))
			}
		}
		s.put(source.Set{}, source.ErrUnavailable)
		r, _ = keep(t, s, source.WithCache(cache))
		if _, err := r.Prepare(prepare); err != nil || r.Version() != "v3" {
			t.Errorf("%s in use, %v", r.Version(), err)
		}
	})
}

// A cache without a salt, of an older version or by another hand, does not make
// the ring keep digests that can be guessed; keys that are none are left out.
//
// F98
func TestCacheByAnotherHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache := &memory{data: []byte(`{"format":1,"source":"store","keys":[{"version":"v3","label":"v3","secret":""},
			{"version":"v2","label":"v2","secret":"sentinel-v2"},{"version":"v1","label":"v1","secret":"sentinel-v2"}]}`)}
		r, _ := keep(t, &store{err: source.ErrUnavailable}, source.WithCache(cache))
		if got := versions(r); !slices.Equal(got, []string{"v2 current"}) {
			t.Errorf("%q", got)
		}
		r.Close()
		var saved struct{ Salt []byte }
		if err := json.Unmarshal([]byte(cache.text()), &saved); err != nil || len(saved.Salt) != 32 {
			t.Errorf("salt of %d bytes, %v", len(saved.Salt), err)
		}
	})
}
