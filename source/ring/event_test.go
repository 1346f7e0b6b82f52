package ring_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// F13, F97, F107, F108: observers may block, panic, close the ring, refresh it;
// they get events in order.
func TestObservers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v0")}
		r, _ := keep(t, s)
		block := make(chan struct{})
		defer close(block)
		var order []string
		r.Subscribe(func(ring.Event) { <-block })
		r.Subscribe(func(ring.Event) { panic("observer") })
		stop := r.Subscribe(func(e ring.Event) {
			if e.Kind == ring.Switched {
				order = append(order, e.Version)
			}
		})
		var want []string
		for i := range 100 {
			v := fmt.Sprintf("v%d", i+1)
			want = append(want, v)
			s.put(listed(v), nil)
			refresh(t, r)
		}
		synctest.Wait()
		if !slices.Equal(order, want) {
			t.Errorf("order %v", order)
		}
		stop()
		r.Subscribe(func(ring.Event) {
			_ = r.Refresh(context.Background())
			r.Close()
		})
		s.put(listed("last"), nil)
		refresh(t, r)
		synctest.Wait()
		if _, err := r.Attempt(t.Context(), true); !errors.Is(err, ring.ErrClosed) {
			t.Errorf("error %v", err)
		}
	})
}

// F107: whoever hears of a switch finds the new key in use: a bot that logs in
// again on Switched gets no old key.
func TestSwitchedFindsTheNewKey(t *testing.T) {
	s := &store{set: listed("v0")}
	r, _ := keep(t, s)
	heard := make(chan struct{}, 1)
	r.Subscribe(func(e ring.Event) {
		if e.Kind == ring.Switched {
			if k, err := r.InUse(); err != nil || k.Version != e.Version {
				t.Errorf("heard of %s, found %s, %v", e.Version, k.Version, err)
			}
			heard <- struct{}{}
		}
	})
	for i := range 200 {
		s.put(listed(fmt.Sprintf("v%d", i+1)), nil)
		refresh(t, r)
		<-heard
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
		r.Subscribe(func(e ring.Event) { <-block; late.add(e) })
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

// One finding is one event, not one for each poll.
func TestOneFindingIsReportedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: plain("good")}
		r, ev := keep(t, s, ring.WithPoll(10*time.Second), ring.WithPrepare(func(k source.Key) (any, error) {
			if strings.Contains(k.Secret.Expose(), "bad") {
				return nil, source.ErrUnusable
			}
			return nil, nil
		}))
		_ = r
		s.put(plain("bad"), nil)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if n := ev.count(ring.RefreshFailed); n > 3 {
			t.Errorf("%d RefreshFailed for one finding", n)
		}
	})
}

// Whoever heard that the source fails hears that it reads again.
//
// F07
func TestReadsAgainIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v1")}
		_, ev := keep(t, s, ring.WithPoll(time.Minute))
		synctest.Wait()
		told := ev.count(ring.Refreshed)
		s.put(source.Set{}, source.ErrUnavailable)
		time.Sleep(time.Hour)
		if ev.count(ring.RefreshFailed) != 1 || ev.count(ring.Stale) != 1 {
			t.Errorf("%q", ev.kinds())
		}
		s.put(listed("v1"), nil)
		time.Sleep(time.Hour)
		if n := ev.count(ring.Refreshed) - told; n != 1 {
			t.Errorf("told %d times that it reads again", n)
		}
	})
}

// A key that ends before the pending one begins leaves a gap: that is to be told.
//
// F17
func TestExpiringDespiteALateSuccessor(t *testing.T) {
	for begins, told := range map[time.Duration]int{6 * time.Hour: 1, 2 * time.Hour: 0, time.Hour: 0} {
		synctest.Test(t, func(t *testing.T) {
			set := listed("v1", "v2")
			set.Keys[0].ExpiresAt = time.Now().Add(2 * time.Hour)
			set.Keys[1].NotBefore = time.Now().Add(begins)
			_, ev := keep(t, &store{set: set})
			synctest.Wait()
			if n := ev.count(ring.Expiring); n != told {
				t.Errorf("successor in %v: expiring was told %d times", begins, n)
			}
		})
	}
}

// The default log holds what an operator must see, and no secret.
func TestLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		var mu sync.Mutex
		log := slog.New(slog.NewJSONHandler(lockedWriter{&mu, &out}, &slog.HandlerOptions{Level: slog.LevelDebug}))
		s := &store{set: listed("v1")}
		r, err := ring.Keep(t.Context(), s, ring.WithLogger(log))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		s.put(listed("v2", "v1"), nil)
		refresh(t, r)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if text := out.String(); !strings.Contains(text, `"switched"`) && !strings.Contains(text, "rollingkeys: switched") || strings.Contains(text, "sentinel") {
			t.Errorf("log: %s", text)
		}
	})
}

type lockedWriter struct {
	mu *sync.Mutex
	w  *strings.Builder
}

func (l lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// The last key goes out of use: that is an event of its own, logged as an error,
// and the version that is in use is none.
func TestNoKeyLeftIsAnEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		k := key("v1")
		k.ExpiresAt = time.Now().Add(time.Hour)
		r, ev := keep(t, &store{set: source.Set{Keys: []source.Key{k}}}, ring.WithPoll(24*time.Hour),
			ring.WithLogger(slog.New(slog.NewJSONHandler(&logged, nil))))
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if ev.count(ring.NoKey) != 1 || r.Version() != "" {
			t.Errorf("%q, in use %q", ev.kinds(), r.Version())
		}
		if text := logged.String(); !strings.Contains(text, `"level":"ERROR","msg":"rollingkeys: no_key"`) {
			t.Error(text)
		}
	})
}

// An event's error is in its JSON.
func TestEventAsJSON(t *testing.T) {
	data, err := json.Marshal(ring.Event{Kind: ring.RefreshFailed, Err: source.ErrUnavailable})
	if err != nil || !strings.Contains(string(data), `"kind":"refresh_failed"`) || !strings.Contains(string(data), `"error":"`+source.ErrUnavailable.Error()+`"`) {
		t.Errorf("%s, %v", data, err)
	}
}

// Events that wait when an observer is stopped are not delivered.
func TestStoppedObserverHearsNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v1")}
		r, _ := keep(t, s)
		calls, held := 0, make(chan struct{})
		stop := r.Subscribe(func(ring.Event) { calls++; <-held })
		for _, v := range []string{"v2", "v3"} {
			s.put(listed(v, "v1"), nil)
			refresh(t, r)
		}
		synctest.Wait()
		stop()
		close(held)
		synctest.Wait()
		if calls != 1 {
			t.Errorf("called %d times", calls)
		}
	})
}

// Who was told that every key is refused is told when a previous one serves again.
//
// F95
func TestRecoveryByThePreviousIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, ev := keep(t, &store{set: listed("v2", "v1")}, ring.WithRefusalWait(0), ring.WithPoll(time.Hour))
		fallsBack(t, r, "v2", "v1")
		a := attempt(t, r, "v1")
		for a.Next(t.Context(), false) {
		}
		time.Sleep(time.Second / 2)
		accepted(t, r, "v1")
		synctest.Wait()
		if kinds := ev.kinds(); len(kinds) < 2 || kinds[len(kinds)-2] != "all_refused v2" || kinds[len(kinds)-1] != "fell_back v1" {
			t.Errorf("events %q", kinds)
		}
	})
}
