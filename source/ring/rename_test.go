package ring_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// carried returns the versions that one request is sent with, each refused in its
// turn and doubtfully, as "name=content".
func carried(t *testing.T, r *ring.Ring) (names []string) {
	t.Helper()
	a, err := r.Attempt(t.Context(), true)
	for ok := err == nil; ok; {
		names = append(names, a.Version()+"="+strings.TrimPrefix(a.Key().Secret.Expose(), "sentinel-"))
		ok = a.Next(t.Context(), true)
	}
	return names
}

// Two names that a source swaps between two contents do not make one name of
// two keys, and what the ring reports goes with the content, whatever the order.
//
// F74, F91
func TestNamesAreSwapped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: called("2=b", "1=a")}
		r, ev := keep(t, s, ring.WithRefusalWait(0), ring.WithPoll(time.Hour))
		accepted(t, r, "2")
		s.put(called("2=a", "1=b"), nil)
		refresh(t, r)
		if got, want := carried(t, r), []string{"2=a", "1=b"}; !slices.Equal(got, want) {
			t.Errorf("swapped: %q, want %q", got, want)
		}
		if v := status(t, r, "1"); v.Accepted != 1 || v.Role != ring.RolePrevious {
			t.Errorf("the figures do not go with the content: %+v", v)
		}
		synctest.Wait()
		told := ev.count(ring.Refreshed)
		refresh(t, r)
		synctest.Wait()
		if ev.count(ring.Refreshed) != told {
			t.Error("the same set is news")
		}
		if n := ev.count(ring.Warning); n != 2 {
			t.Errorf("%d warnings, want one for each name", n)
		}
		s.put(called("2=b", "1=a"), nil) // and back
		refresh(t, r)
		if got, want := carried(t, r), []string{"2=b", "1=a"}; !slices.Equal(got, want) {
			t.Errorf("swapped back: %q, want %q", got, want)
		}
		// The source's word goes by the names that it has now.
		set := called("2=a", "1=b")
		set.Revoked = []string{"2"}
		s.put(set, nil)
		refresh(t, r)
		if got, want := carried(t, r), []string{"1=b"}; !slices.Equal(got, want) {
			t.Errorf("revoked by the source: %q, want %q", got, want)
		}
	})
}

// A source that calls its key otherwise than before changes a name, and nothing
// else: it is told of once, saved, and requests that are out go by it too.
//
// F16, F74
func TestKeyIsRenamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, cache := &store{set: called("1=a")}, &memory{}
		r, ev := keep(t, s, ring.WithCache(cache), ring.WithPoll(time.Hour))
		a := attempt(t, r, "1")
		s.put(called("2=a"), nil)
		for range 3 {
			refresh(t, r)
		}
		if a.Version() != "2" || r.Version() != "2" {
			t.Errorf("the request that is out carries %q, in use is %q", a.Version(), r.Version())
		}
		a.Accepted()
		if v := r.Status().Current; v.Version != "2" || v.Accepted != 1 || v.InFlight != 0 {
			t.Errorf("%+v", v)
		}
		synctest.Wait()
		if ev.count(ring.Refreshed) != 2 || ev.count(ring.Warning) != 0 || !strings.Contains(cache.text(), `"version":"2"`) {
			t.Errorf("%d times news, %d warnings; the cache: %t", ev.count(ring.Refreshed), ev.count(ring.Warning), strings.Contains(cache.text(), `"version":"2"`))
		}
		if err := r.Revoke("1"); !errors.Is(err, source.ErrNoKey) {
			t.Errorf("revoked by its old name: %v", err)
		}
		set := called("3=b", "2=a")
		set.Revoked = []string{"2"}
		s.put(set, nil)
		refresh(t, r)
		if got := versions(r); !slices.Equal(got, []string{"3 current", "2 retired"}) {
			t.Errorf("revoked by its new name: %q", got)
		}
		if err := r.Revoke("3"); err != nil {
			t.Error(err)
		}
		if _, err := r.Attempt(t.Context(), true); !errors.Is(err, source.ErrNoKey) {
			t.Errorf("error %v", err)
		}
	})
}

// Requests read the name of their key while the source renames it (-race), and
// it is always a name that the content had.
//
// F50, F74
func TestRenamesWhileRequestsAreOut(t *testing.T) {
	s := &store{set: called("0=a")}
	r, _ := keep(t, s)
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				a, err := r.Attempt(t.Context(), true)
				if err != nil {
					t.Error(err)
					return
				}
				if v := a.Version(); len(v) != 1 || a.Key().Secret.Expose() != "sentinel-a" || a.Key().Version == "" {
					t.Errorf("a request carries %q", v)
				}
				a.Accepted()
			}
		})
	}
	for i := range 500 {
		s.put(called(fmt.Sprintf("%d=a", i%10)), nil)
		refresh(t, r)
	}
	close(done)
	wg.Wait()
	if v := r.Status().Current; v.InFlight != 0 || v.Requests != v.Accepted {
		t.Errorf("%+v", v)
	}
}

// One name over three contents, one after the other, is three names, and one warning.
//
// F91
func TestOneNameOverManyKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one := func(content string) source.Set { return source.Set{Keys: called("5=" + content).Keys} }
		s := &store{set: one("a")}
		r, ev := keep(t, s)
		for _, content := range []string{"b", "c", "c"} {
			s.put(one(content), nil)
			refresh(t, r)
		}
		if got, want := carried(t, r), []string{"5#3=c", "5#2=b"}; !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
		synctest.Wait()
		if warned, switched := ev.count(ring.Warning), ev.count(ring.Switched); warned != 1 || switched != 3 {
			t.Errorf("%d warnings, %d switches", warned, switched)
		}
	})
}

// Keys without a name that come at one moment, together or one after the other,
// have different names, and none has that of one that is out of use.
//
// F74
func TestNamelessKeysOfOneMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: source.Set{Complete: true, Keys: append(plain("a").Keys, plain("b").Keys...)}}
		r, _ := keep(t, s, ring.WithOverlap(0))
		for _, content := range []string{"c", "d", "e"} {
			s.put(plain(content), nil)
			refresh(t, r)
		}
		var names []string
		for _, v := range r.Status().Versions {
			names = append(names, v.Version)
		}
		slices.Sort(names)
		if n := len(slices.Compact(slices.Clone(names))); len(names) != 5 || n != 5 {
			t.Errorf("five keys have %d names: %q", n, names)
		}
	})
}

// A version that its source lists again after it was out of use has its name again.
//
// F71
func TestNameComesBack(t *testing.T) {
	s := &store{set: listed("v1")}
	r, _ := keep(t, s)
	for _, v := range []string{"v2", "v1"} {
		s.put(listed(v), nil)
		refresh(t, r)
		accepted(t, r, v)
	}
}
