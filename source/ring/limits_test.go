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

// F109: zero values and nil arguments are typed errors.
func TestZeroValues(t *testing.T) {
	if _, err := ring.Keep(t.Context(), nil); !errors.Is(err, source.ErrNoKey) {
		t.Errorf("nil source: %v", err)
	}
	for _, r := range []*ring.Ring{nil, {}} {
		if _, err := r.Attempt(t.Context(), true); !errors.Is(err, source.ErrNoKey) {
			t.Errorf("Attempt: %v", err)
		}
		if _, err := r.InUse(); !errors.Is(err, source.ErrNoKey) {
			t.Errorf("InUse: %v", err)
		}
		if _, _, err := r.Prepare(nil); !errors.Is(err, source.ErrNoKey) {
			t.Errorf("Prepare: %v", err)
		}
		if r.Refresh(t.Context()) == nil || r.Revoke("v1") == nil || r.Close() != nil || r.Version() != "" || r.Status().Healthy {
			t.Error("a ring that is none works")
		}
	}
}

// F99: what a metric would be labelled with stays few, however often keys rotate.
func TestStatusStaysSmall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: plain("0")}
		r, _ := keep(t, s)
		for i := range 10_000 {
			s.put(plain(fmt.Sprint(i+1)), nil)
			refresh(t, r)
			time.Sleep(time.Second)
		}
		if n := len(r.Status().Versions); n > 1+8+8 {
			t.Errorf("%d versions", n)
		}
	})
}

// Of a source that lists one key at a time the last 8 previous ones are kept.
//
// F102
func TestEightPreviousKeysAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: plain("0")}
		r, _ := keep(t, s)
		rotate(t, s, r, time.Second, "1", "2", "3", "4", "5", "6", "7", "8", "9", "10")
		previous := 0
		for _, v := range r.Status().Versions {
			if v.Role == ring.RolePrevious {
				previous++
			}
		}
		if previous != 8 {
			t.Errorf("%d previous keys", previous)
		}
	})
}
