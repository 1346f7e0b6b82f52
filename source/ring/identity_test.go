package ring_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// called lists keys as "version=content".
func called(keys ...string) source.Set {
	set := source.Set{Complete: true}
	for _, k := range keys {
		version, content, _ := strings.Cut(k, "=")
		set.Keys = append(set.Keys, source.Key{Version: version, Secret: source.NewSecret("sentinel-" + content)})
	}
	return set
}

func versions(r *ring.Ring) (list []string) {
	for _, v := range r.Status().Versions {
		list = append(list, v.Version+" "+string(v.Role))
	}
	return list
}

// tenant is a store whose name does not tell all.
type tenant struct {
	store
	id string
}

func (s *tenant) Identity() source.Secret { return source.NewSecret(s.id) }

// A cache is of no use to another source of the same name.
func TestCacheOfAnotherTenant(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cache")
	a := &tenant{store: store{set: listed("a1")}, id: "sentinel-tenant-a"}
	r, _ := keep(t, a, ring.WithCache(ring.FileCache(path)))
	r.Close()
	if data, err := os.ReadFile(path); err != nil || strings.Contains(string(data), a.id) {
		t.Errorf("%v; the identity is in the cache: %t", err, strings.Contains(string(data), a.id))
	}
	for id, starts := range map[string]bool{"sentinel-b": false, "sentinel-tenant-a": true} {
		down := &tenant{store: store{err: source.ErrUnavailable}, id: id}
		r, err := ring.Keep(t.Context(), down, ring.WithLogger(nil), ring.WithFailFast(), ring.WithCache(ring.FileCache(path)))
		if (err == nil) != starts {
			t.Errorf("tenant %s starts: %t, %v", id, err == nil, err)
		}
		r.Close()
	}
}

// One secret under two names is one key: a store that was rolled back lists the
// old content anew, and the old name must not be called safe to revoke.
//
// F16, F18, F91
func TestSameContentIsOneKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: called("9=a")}
		r, ev := keep(t, s)
		a, _ := r.Attempt(t.Context(), true)
		a.Accepted()
		s.put(called("11=b", "9=a"), nil)
		refresh(t, r)
		s.put(called("13=a", "11=b", "9=a"), nil)
		refresh(t, r)
		for range 3 {
			a, _ := r.Attempt(t.Context(), true)
			a.Accepted()
		}
		time.Sleep(10 * time.Minute)
		if got, want := versions(r), []string{"13 current", "11 previous"}; !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
		if got, want := ev.kinds(), []string{"switched 9", "switched 11", "rolled_back 13"}; !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
		st := r.Status()
		if st.Current.SafeToRevoke || st.Current.Requests != 4 || !st.Versions[1].SafeToRevoke {
			t.Errorf("%+v", st.Versions)
		}
		if err := r.Revoke("13"); err != nil || r.Version() != "11" {
			t.Errorf("revoked by its new name: %v, %s in use", err, r.Version())
		}
	})
}

// A restart finds in its cache what the source calls otherwise by now.
//
// F16
func TestCacheUnderANewName(t *testing.T) {
	cache := ring.FileCache(filepath.Join(t.TempDir(), "cache"))
	s := &store{set: called("10=a")}
	r, _ := keep(t, s, ring.WithCache(cache))
	r.Close()
	s.put(called("12=a"), nil)
	r, ev := keep(t, s, ring.WithCache(cache))
	if got, want := versions(r), []string{"12 current"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if ev.count(ring.Switched) > 1 {
		t.Errorf("%q", ev.kinds())
	}
}

// What was revoked here does not come back: not when the source lists it again,
// not by a restart with a cache.
func TestRevokeIsForGood(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cache")
	s := &store{set: listed("v2", "v1")}
	r, _ := keep(t, s, ring.WithCache(ring.FileCache(path)))
	if err := r.Revoke("v2"); err != nil {
		t.Fatal(err)
	}
	s.put(listed("v1"), nil)
	refresh(t, r)
	s.put(listed("v2", "v1"), nil)
	refresh(t, r)
	if r.Version() != "v1" {
		t.Errorf("%s in use after it was listed again", r.Version())
	}
	r.Close()
	for range 2 {
		r, _ = keep(t, s, ring.WithCache(ring.FileCache(path)))
		st := r.Status()
		if st.InUse != "v1" || st.Versions[0].State != ring.StateRevoked || st.Versions[0].Role != ring.RoleRetired {
			t.Errorf("after a restart: %s in use, %+v", st.InUse, st.Versions[0])
		}
		r.Close()
	}
}

// Files may all be of one time, and a name is not used again.
func TestNamesAreNotUsedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := func(content string) source.Set {
			return source.Set{Keys: []source.Key{{Secret: source.NewSecret("sentinel-" + content), CreatedAt: time.Unix(1, 0)}}}
		}
		s := &store{set: file("a")}
		r, _ := keep(t, s, ring.WithOverlap(0))
		seen := map[string]bool{r.Version(): true}
		for _, content := range strings.Split("bcdefghijklmnopqrstuvwxyz", "") {
			time.Sleep(time.Second)
			s.put(file(content), nil)
			refresh(t, r)
			if v := r.Version(); seen[v] {
				t.Errorf("%s names another key than before", v)
			} else {
				seen[v] = true
			}
		}
	})
}

// A scheme that cannot use the key that others use is at fault, not the key.
//
// F19
func TestSecondSchemeCannotHarmTheFirst(t *testing.T) {
	s := &store{set: listed("v1")}
	r, ev := keep(t, s, ring.WithPrepare(func(k source.Key) (any, error) { return k.Version, nil }))
	slot, _, err := r.Prepare(func(source.Key) (any, error) { return nil, errors.New("no such header") })
	if slot != 1 || !errors.Is(err, source.ErrUnusable) || ev.count(ring.Warning) > 1 {
		t.Errorf("slot %d, %v", slot, err)
	}
	s.put(listed("v2", "v1"), nil)
	refresh(t, r)
	if a, err := r.Attempt(t.Context(), true); err != nil || a.Version() != "v2" || a.Prepared(0) != "v2" {
		t.Errorf("%v, %v", a, err)
	} else {
		a.Accepted()
	}
	if ev.count(ring.RefreshFailed) != 0 {
		t.Errorf("%q", ev.kinds())
	}
	// One that can use it does bind the ring.
	slot, _, err = r.Prepare(func(k source.Key) (any, error) {
		if k.Version == "v3" {
			return nil, errors.New("no")
		}
		return "second " + k.Version, nil
	})
	if slot != 2 || err != nil {
		t.Fatalf("slot %d, %v", slot, err)
	}
	s.put(listed("v3", "v2"), nil)
	refresh(t, r)
	if a, err := r.Attempt(t.Context(), true); err != nil || a.Prepared(2) != "second v2" {
		t.Errorf("%v", err)
	} else {
		a.Accepted()
	}
}

// Nor does it, if a rotation comes while it looks at the keys.
//
// F13, F19
func TestRotationDuringPrepare(t *testing.T) {
	s := &store{set: listed("v1")}
	r, _ := keep(t, s, ring.WithPrepare(func(k source.Key) (any, error) { return k.Version, nil }))
	rotated := false
	_, _, err := r.Prepare(func(k source.Key) (any, error) {
		if !rotated {
			rotated = true
			s.put(listed("v2"), nil)
			refresh(t, r)
		}
		return nil, errors.New("no such header")
	})
	if !errors.Is(err, source.ErrUnusable) || r.Version() != "v2" {
		t.Errorf("%v, %q in use", err, r.Version())
	}
	if a, err := r.Attempt(t.Context(), true); err != nil || a.Prepared(0) != "v2" {
		t.Errorf("%v", err)
	} else {
		a.Accepted()
	}
}

// The only scheme of a ring, whose key it cannot use, has no say: the next may be
// right. And it has one as soon as there is a key that it can use.
//
// F19
func TestFirstSchemeThatCannot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("bad")}
		r, ev := keep(t, s)
		choosy := func(k source.Key) (any, error) {
			if strings.HasPrefix(k.Version, "bad") {
				return nil, errors.New("cannot be parsed")
			}
			return "choosy " + k.Version, nil
		}
		if _, _, err := r.Prepare(choosy); !errors.Is(err, source.ErrUnusable) {
			t.Errorf("%v", err)
		}
		if _, _, err := r.Prepare(func(k source.Key) (any, error) { return "any " + k.Version, nil }); err != nil {
			t.Error(err)
		}
		if a, err := r.Attempt(t.Context(), true); err != nil || a.Prepared(1) != "any bad" {
			t.Errorf("%v", err)
		} else {
			a.Accepted()
		}
		s.put(listed("v1"), nil)
		refresh(t, r)
		s.put(listed("bad2", "v1"), nil)
		refresh(t, r)
		if a, err := r.Attempt(t.Context(), true); err != nil || a.Prepared(0) != "choosy v1" || a.Prepared(1) != "any v1" {
			t.Errorf("%v", err)
		} else {
			a.Accepted()
		}
		synctest.Wait()
		if got := ev.count(ring.Warning); got == 0 {
			t.Errorf("%q", ev.kinds())
		}
	})
}

// Of one content under two names, the one that can be used now counts.
//
// F16
func TestSameContentPendingAndNot(t *testing.T) {
	set := called("2=a", "1=a")
	set.Keys[0].NotBefore = time.Now().Add(30 * time.Minute)
	r, _ := keep(t, &store{set: set}, ring.WithFailFast())
	if r.Version() != "1" {
		t.Errorf("%q in use", r.Version())
	}
}

// A restart with a cache names what is new as one without would: by its file's time.
//
// F91
func TestNamesAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "cache")
		file := func(content string) source.Set {
			return source.Set{Keys: []source.Key{{Secret: source.NewSecret("sentinel-" + content), CreatedAt: time.Now()}}}
		}
		s := &store{set: file("a")}
		r, _ := keep(t, s, ring.WithCache(ring.FileCache(path)))
		time.Sleep(time.Hour)
		s.put(file("b"), nil)
		refresh(t, r)
		r.Close()
		time.Sleep(time.Hour)
		s.put(file("c"), nil)
		want := time.Now().UTC().Format("20060102T150405.000Z")
		time.Sleep(time.Hour)
		r, _ = keep(t, s, ring.WithCache(ring.FileCache(path)))
		if r.Version() != want {
			t.Errorf("called %s, want %s", r.Version(), want)
		}
	})
}
