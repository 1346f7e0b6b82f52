package ring_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// wolf is a store that tells of a change each millisecond.
type wolf struct{ store }

func (s *wolf) Notify(ctx context.Context, changed func()) error {
	for ctx.Err() == nil {
		changed()
		time.Sleep(time.Millisecond)
	}
	return ctx.Err()
}

// A source that cries wolf is read now and then, not each time, and the change
// that does come is seen at once.
func TestNotifierThatCriesWolf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &wolf{store{set: listed("v1")}}
		r, _ := keep(t, s, ring.WithPoll(time.Hour))
		before := s.count()
		time.Sleep(10 * time.Second)
		if n := s.count() - before; n > 1000 {
			t.Errorf("%d readings for 10,000 false alarms", n)
		}
		s.put(listed("v2"), nil)
		time.Sleep(100 * time.Millisecond)
		accepted(t, r, "v2")
	})
}

// chatty is a store that is read in a millisecond, and tells of each change twice:
// as it begins and while it is read.
type chatty struct{ store }

func (s *chatty) Read(ctx context.Context) (source.Set, error) {
	time.Sleep(time.Millisecond)
	return s.store.Read(ctx)
}

func (s *chatty) Notify(ctx context.Context, changed func()) error {
	return (&pushing{store{kick: s.kick}}).Notify(ctx, func() {
		changed()
		time.AfterFunc(time.Millisecond/2, changed)
	})
}

// A source that says more than once what is true does not cry wolf: one change after
// another is read at once.
func TestNotifierThatRepeatsItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &chatty{store{set: listed("v1"), kick: make(chan struct{})}}
		r, _ := keep(t, s, ring.WithPoll(time.Hour))
		time.Sleep(time.Second)
		for n := range 200 {
			v := fmt.Sprint("v", n+2)
			s.put(listed(v), nil)
			s.kick <- struct{}{}
			time.Sleep(3 * time.Millisecond) // two readings, and not a pause
			if got := r.Version(); got != v {
				t.Fatalf("change %d: %s in use, want %s", n, got, v)
			}
		}
	})
}

// heldPushing is a held source that can notify.
type heldPushing struct {
	held
	kick chan struct{}
}

func (s *heldPushing) Notify(ctx context.Context, changed func()) error {
	return (&pushing{store{kick: s.kick}}).Notify(ctx, changed)
}

// Whoever wants to know what the source says now, a notice, a caller of Refresh,
// a refused request, gets a reading that begins after that: one that is under way
// may have seen the keys of before.
//
// F14, F61
func TestReadingUnderWayIsNotShared(t *testing.T) {
	for name, ask := range map[string]func(t *testing.T, r *ring.Ring, s *heldPushing){
		"notice":  func(_ *testing.T, _ *ring.Ring, s *heldPushing) { s.kick <- struct{}{} },
		"refresh": func(t *testing.T, r *ring.Ring, _ *heldPushing) { refresh(t, r) },
		"refusal": func(t *testing.T, r *ring.Ring, _ *heldPushing) {
			a := attempt(t, r, "v1")
			b := next(t, &a, "v2")
			b.Accepted()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &heldPushing{held: held{store{set: listed("v1")}}, kick: make(chan struct{})}
				r, _ := keep(t, s, ring.WithPoll(time.Hour), ring.WithRefusalWait(0))
				synctest.Wait()
				release := s.hold()
				go r.Refresh(t.Context()) // sees v1, and takes its time
				synctest.Wait()
				before := s.count()
				s.put(listed("v2"), nil)
				time.AfterFunc(time.Second, release)
				ask(t, r, s)
				time.Sleep(2 * time.Second)
				accepted(t, r, "v2")
				if n := s.count() - before; n != 1 {
					t.Errorf("%d readings", n)
				}
			})
		})
	}
}

// mute is a store whose notification fails at once.
type mute struct {
	store
	tried atomic.Int64
}

func (s *mute) Notify(context.Context, func()) error {
	s.tried.Add(1)
	return &source.Error{Source: "mute", Err: source.ErrUnavailable}
}

// Notification that cannot be had is told of once, tried again about once a minute,
// and polling goes on.
//
// F03, F12
func TestNotificationFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &mute{store: store{set: listed("v1")}}
		r, ev := keep(t, s, ring.WithPoll(10*time.Minute))
		time.Sleep(time.Hour)
		if n := s.tried.Load(); n < 40 || n > 130 {
			t.Errorf("tried %d times in an hour", n)
		}
		s.put(listed("v2"), nil)
		time.Sleep(11 * time.Minute)
		accepted(t, r, "v2")
		synctest.Wait()
		if ev.count(ring.Warning) != 1 || ev.count(ring.Switched) != 2 {
			t.Errorf("events %q", ev.kinds())
		}
	})
}

// F03, F61: a source that can notify and does not, or First over one that cannot,
// is read again while refused requests wait.
func TestSilentNotifierIsAskedAgain(t *testing.T) {
	for _, kind := range []string{"plain", "silent", "first"} {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var src source.Source
				var put func(source.Set)
				switch kind {
				case "plain":
					s := &store{set: listed("v1")}
					src, put = s, func(x source.Set) { s.put(x, nil) }
				case "silent":
					s := &pushing{store{set: listed("v1"), kick: make(chan struct{})}}
					src, put = s, func(x source.Set) { s.put(x, nil) }
				case "first":
					s := &store{set: listed("v1")}
					src, put = source.First(s), func(x source.Set) { s.put(x, nil) }
				}
				r, _ := keep(t, src, ring.WithPoll(time.Minute*5))
				synctest.Wait()
				time.Sleep(time.Second)
				time.AfterFunc(time.Second, func() { put(listed("v2")) })
				a := attempt(t, r, "v1")
				if !a.Next(t.Context(), false) {
					t.Fatal("request failed although the source had v2 after 1 s")
				}
				a.Accepted()
			})
		})
	}
}

// A notice whose reading fails is not forgotten until the next poll.
//
// F03, F77
func TestReadingAfterANoticeIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &pushing{store{set: listed("v1"), kick: make(chan struct{})}}
		r, _ := keep(t, s, ring.WithPoll(time.Hour))
		synctest.Wait()
		s.put(source.Set{}, source.ErrUnavailable)
		s.kick <- struct{}{}
		synctest.Wait()
		s.put(listed("v2", "v1"), nil)
		time.Sleep(2 * time.Second)
		if r.Version() != "v2" {
			t.Errorf("%s in use 2 s after a notice", r.Version())
		}
		// Without one, a source that fails is left in peace.
		s.put(source.Set{}, source.ErrUnavailable)
		_ = r.Refresh(t.Context())
		before := s.count()
		time.Sleep(50 * time.Second)
		if n := s.count() - before; n != 0 {
			t.Errorf("read %d times more", n)
		}
	})
}
