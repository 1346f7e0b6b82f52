package ring_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/file"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// However a source fails that has answered, it is not passed over for an older
// key behind it; what is before it takes over as soon as it can.
//
// F07, F17
func TestFirstMovesForwardOnly(t *testing.T) {
	for _, failure := range []error{source.ErrUnavailable, source.ErrNoKey, source.ErrDenied, source.ErrInvalid} {
		synctest.Test(t, func(t *testing.T) {
			a, b, c := &store{err: source.ErrNoKey}, &store{set: listed("v2")}, &store{set: listed("old")}
			r, _ := keep(t, source.First(a, b, c))
			b.put(source.Set{}, failure)
			if err := r.Refresh(t.Context()); !errors.Is(err, failure) {
				t.Errorf("error %v, want %v", err, failure)
			}
			if r.Version() != "v2" {
				t.Errorf("in use is %q after %v", r.Version(), failure)
			}
			b.put(listed("v3"), nil)
			refresh(t, r)
			if r.Version() != "v3" {
				t.Errorf("in use is %q, want v3", r.Version())
			}
			a.put(listed("v4"), nil)
			refresh(t, r)
			if r.Version() != "v4" {
				t.Errorf("in use is %q, want v4", r.Version())
			}
			a.put(source.Set{}, failure)
			if err := r.Refresh(t.Context()); err == nil || r.Version() != "v4" {
				t.Errorf("in use is %q after %v of the first, error %v", r.Version(), failure, err)
			}
			if c.reads > 0 {
				t.Errorf("the last was asked %d times", c.reads)
			}
		})
	}
}

// A file is removed and written again, with a complete source behind it that
// would retire its key.
//
// F07
func TestFirstOutlastsARemovedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	put := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	wantSecret := func(r *ring.Ring, want string) {
		t.Helper()
		if k, err := r.InUse(); err != nil || k.Secret.Expose() != want {
			t.Errorf("in use is %q, want %q, error %v", k.Version, want, err)
		}
	}
	put("sentinel-1")
	r, _ := keep(t, source.First(file.New(path), source.Static(source.Key{Secret: source.NewSecret("sentinel-old")})), ring.WithPoll(time.Hour))
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := r.Refresh(t.Context()); !errors.Is(err, source.ErrNoKey) {
		t.Errorf("error %v", err)
	}
	wantSecret(r, "sentinel-1")
	put("sentinel-2")
	refresh(t, r)
	wantSecret(r, "sentinel-2")
}

// When the notification of one source fails, that of all ends, so that the ring
// begins it again.
func TestFirstNotifiesOrFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failing, good := &mute{store: store{set: listed("v1")}}, &pushing{store{set: listed("v0"), kick: make(chan struct{})}}
		first := source.First(failing, good).(source.Notifier)
		var told atomic.Int64
		if err := first.Notify(t.Context(), func() { told.Add(1) }); !errors.Is(err, source.ErrUnavailable) || told.Load() == 0 {
			t.Errorf("%v, told %d times", err, told.Load())
		}
	})
}

// A source whose Notify panics ends neither the program nor the use of its key.
//
// F97
func TestFirstOutlastsAPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &panicking{notify: true}
		s.set = one("v1")
		r, ev := keep(t, source.First(s))
		time.Sleep(time.Hour)
		accepted(t, r, "v1")
		synctest.Wait()
		if ev.count(ring.Warning) == 0 {
			t.Errorf("no Warning: %q", ev.kinds())
		}
		for _, e := range ev.list {
			if e.Err != nil && strings.Contains(e.Err.Error(), "sentinel-panic") {
				t.Errorf("it is quoted: %v", e.Err)
			}
		}
	})
}
