package ring_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// A caller's use of a version counts for a minute, whatever has become of the version since.
//
// F114
func TestCallersUseOfARetiredVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v2", "v1")}
		r, _ := keep(t, s)
		accepted(t, r, "v2")
		time.Sleep(2 * time.Minute)
		accepted(t, r, "v2")
		a := r.Caller("header X", secretOf("v1"))
		a.End()
		if st := status(t, r, "v1"); st.SafeToRevoke {
			t.Errorf("listed: %s", st.Reason)
		}
		s.put(listed("v2"), nil)
		refresh(t, r)
		if st := status(t, r, "v1"); st.SafeToRevoke {
			t.Errorf("%s: %s; a caller used it in this very second", st.Role, st.Reason)
		}
	})
}

// A version that the scheme cannot use may be a caller's.
//
// F114
func TestCallersUseOfAnUnusableVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := keep(t, &store{set: listed("v2", "v1")}, ring.WithPrepare(func(k source.Key) (any, error) {
			if strings.HasSuffix(k.Secret.Expose(), "v1") {
				return nil, errors.New("no PEM")
			}
			return 1, nil
		}))
		accepted(t, r, "v2")
		a := r.Caller("header X", secretOf("v1"))
		a.End()
		if st := status(t, r, "v1"); st.SafeToRevoke {
			t.Errorf("%s: %s (%d requests)", st.State, st.Reason, st.Requests)
		}
	})
}

// A scheme whose slot was given back has no say any more.
//
// F114
func TestReleasedSchemeHasNoSay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := keep(t, &store{set: listed("v2", "v1")}, ring.WithPrepare(func(source.Key) (any, error) { return 1, nil }))
		_, release, err := r.Prepare(func(k source.Key) (any, error) {
			if strings.HasSuffix(k.Secret.Expose(), "v1") {
				return nil, errors.New("no PEM")
			}
			return 2, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		release()
		refresh(t, r)
		time.Sleep(24 * time.Hour)
		refresh(t, r)
		if st := status(t, r, "v1"); st.State == ring.StateUnusable {
			t.Errorf("v1 is unusable, for a scheme that is gone: %s", st.Reason)
		}
	})
}

// A ring that is none hands out attempts that do nothing.
//
// F114
func TestCallerOfNoRing(t *testing.T) {
	defer func() {
		if p := recover(); p != nil {
			t.Errorf("panic: %v", p)
		}
	}()
	a := (*ring.Ring)(nil).Caller("header X")
	a.Unknown()
}

// Slots given back and taken at random never hand one scheme's value to another.
//
// F114
func TestSlotsStress(t *testing.T) {
	s := &store{set: listed("v2", "v1")}
	r, err := ring.Keep(t.Context(), s, ring.WithLogger(nil), ring.WithPoll(time.Hour), ring.WithPrepare(func(k source.Key) (any, error) { return "base" + k.Secret.Expose(), nil }))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var stop atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 3; i < 400; i++ {
			s.put(listed(fmt.Sprintf("v%d", i), fmt.Sprintf("v%d", i-1)), nil)
			_ = r.Refresh(context.Background())
		}
		stop.Store(true)
	})
	for w := range 4 {
		wg.Go(func() {
			for n := 0; !stop.Load(); n++ {
				id := fmt.Sprintf("w%d-%d-", w, n)
				slot, release, err := r.Prepare(func(k source.Key) (any, error) { return id + k.Secret.Expose(), nil })
				if err != nil {
					t.Error(err)
				}
				for range 5 {
					a, err := r.Attempt(context.Background(), true)
					if err != nil {
						t.Error(err)
						return
					}
					if got := a.Prepared(slot); got != id+a.Key().Secret.Expose() {
						t.Errorf("got %v, want %s", got, id)
					}
					if got := a.Prepared(0); got != "base"+a.Key().Secret.Expose() {
						t.Errorf("slot 0: %v", got)
					}
					a.Accepted()
				}
				release()
			}
		})
	}
	wg.Wait()
}
