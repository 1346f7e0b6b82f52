package ring_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// F71: back and forth at the source.
func TestRollback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: plain("a")}
		r, ev := keep(t, s)
		v1 := r.Version()
		time.Sleep(time.Second)
		v2 := rotate(t, s, r, 0, "b")[0]
		time.Sleep(time.Second)
		s.put(plain("a"), nil)
		refresh(t, r)
		a := attempt(t, r, v1)
		b := next(t, &a, v2)
		b.Unknown()
		time.Sleep(time.Second)
		s.put(plain("b"), nil)
		refresh(t, r)
		a = attempt(t, r, v2)
		a.Accepted()
		time.Sleep(48 * time.Hour) // the overlap that it was in is of no account any more
		accepted(t, r, v2)
		wantKinds(t, ev, "switched "+v1, "switched "+v2, "rolled_back "+v1, "rolled_back "+v2, "overlap_ended "+v1)
	})
}

// F90: told not to follow, the ring keeps the newer key.
func TestWithoutRollback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v4")}
		r, _ := keep(t, s, ring.WithoutRollback())
		s.put(listed("v5"), nil)
		refresh(t, r)
		dated := listed("v3")
		for name, old := range map[string]source.Set{"was current": listed("v4"), "listed again": listed("v4", "v5"), "dated": dated} {
			if name == "dated" {
				newer := listed("v5")
				newer.Keys[0].CreatedAt = time.Now()
				s.put(newer, nil)
				refresh(t, r)
				old.Keys[0].CreatedAt = time.Now().Add(-time.Hour)
			}
			s.put(old, nil)
			if err := r.Refresh(t.Context()); !errors.Is(err, ring.ErrRollback) || r.Version() != "v5" {
				t.Errorf("%s: version %s, error %v", name, r.Version(), err)
			}
		}
	})
}

// A key that comes back under a new name is a rollback, whether the ring still
// has it or not.
//
// F18, F90
func TestRollbackUnderANewName(t *testing.T) {
	for _, middle := range [][]string{{"11=b", "10=a"}, {"11=b"}} {
		s := &store{set: called("10=a")}
		r, _ := keep(t, s, ring.WithoutRollback())
		s.put(called(middle...), nil)
		refresh(t, r)
		s.put(called("12=a", "11=b"), nil)
		if err := r.Refresh(t.Context()); !errors.Is(err, ring.ErrRollback) || r.Version() != "11" {
			t.Errorf("after %q: %v, %s in use", middle, err, r.Version())
		}
	}
}

// A file that was copied with its time is older than the one before, and new.
//
// F90
func TestAnOlderFileIsNoRollback(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	file := func(content string, at time.Time) source.Set {
		return source.Set{Keys: []source.Key{{Secret: source.NewSecret("sentinel-" + content), CreatedAt: at}}}
	}
	s := &store{set: file("a", at)}
	r, _ := keep(t, s, ring.WithoutRollback())
	s.put(file("b", at.Add(-time.Hour)), nil)
	refresh(t, r)
	if k, err := r.InUse(); err != nil || k.Secret.Expose() != "sentinel-b" {
		t.Errorf("%v, %v", k, err)
	}
}

// A replayed document is refused however many keys came after it, after a restart with the
// cache, and when the key in use has expired.
//
// F170
func TestReplayIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		name := func(n int) string { return fmt.Sprintf("v%d", n) }
		dated := func(n int) source.Set {
			set := listed(name(n))
			set.Keys[0].ExpiresAt = time.Now().Add(time.Hour)
			return set
		}
		cache, s := &memory{}, &store{set: dated(1)}
		opts := []ring.Option{ring.WithCache(cache), ring.WithoutRollback()}
		r, _ := keep(t, s, opts...)
		const last = 30
		for n := 2; n <= last; n++ {
			s.put(dated(n), nil)
			refresh(t, r)
		}
		replay := func(when, inUse string) {
			t.Helper()
			for _, n := range []int{1, 15, last - 1} {
				set := listed(name(n))
				set.Keys[0].Version += " anew"
				s.put(set, nil)
				if err := r.Refresh(t.Context()); !errors.Is(err, ring.ErrRollback) || r.Version() != inUse {
					t.Errorf("%s, document %d: version %q in use, error %v", when, n, r.Version(), err)
				}
			}
		}
		replay("at once", name(last))
		r.Close()
		r, _ = keep(t, s, opts...)
		replay("after a restart", name(last))
		time.Sleep(2 * time.Hour)
		replay("when the key has expired", "")
		s.put(dated(last), nil) // prolonged
		refresh(t, r)
		replay("when it was prolonged", name(last))
	})
}

// Without the option the ring says that a key which it had forgotten is current again.
//
// F170
func TestReplayIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v1")}
		r, ev := keep(t, s)
		for _, v := range []string{"v2", "v1"} {
			s.put(listed(v), nil)
			refresh(t, r)
		}
		wantKinds(t, ev, "switched v1", "revoked v1", "switched v2", "revoked v2", "rolled_back v1")
	})
}
