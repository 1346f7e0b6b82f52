package source_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
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
		r, _ := keep(t, s, source.WithPoll(time.Hour))
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
	for name, ask := range map[string]func(t *testing.T, r *source.Ring, s *heldPushing){
		"notice":  func(_ *testing.T, _ *source.Ring, s *heldPushing) { s.kick <- struct{}{} },
		"refresh": func(t *testing.T, r *source.Ring, _ *heldPushing) { refresh(t, r) },
		"refusal": func(t *testing.T, r *source.Ring, _ *heldPushing) {
			a := attempt(t, r, "v1")
			b := next(t, &a, "v2")
			b.Accepted()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &heldPushing{held: held{store{set: listed("v1")}}, kick: make(chan struct{})}
				r, _ := keep(t, s, source.WithPoll(time.Hour), source.WithRefusalWait(0))
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
