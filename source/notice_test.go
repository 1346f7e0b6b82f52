package source_test

import (
	"context"
	"fmt"
	"slices"
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

// Of the events that wait for an observer that does not return, the newest 1,024
// are kept: their number is bounded, and what is true at the end is told.
//
// F13
func TestOldestEventsAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v0")}
		r, ev := keep(t, s)
		synctest.Wait()
		block := make(chan struct{})
		late := &events{}
		r.Subscribe(func(e source.Event) { <-block; late.add(e) })
		for i := range 1000 {
			s.put(listed(fmt.Sprintf("v%d", i+1)), nil)
			refresh(t, r)
			synctest.Wait()
		}
		close(block)
		synctest.Wait()
		// The first was on its way to the observer.
		if n, all := len(late.list), len(ev.list); n != 1+1024 || all < 2000 || !slices.Equal(late.list[1:], ev.list[all-1024:]) {
			t.Errorf("%d of %d events", n, all)
		}
	})
}
