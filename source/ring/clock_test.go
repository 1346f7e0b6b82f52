package ring

import (
	"context"
	"github.com/rollingkeys/rollingkeys/source"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"
	"weak"
)

// clock is a clock of which the wall part can be set, as an operator or NTP sets
// it, while the monotonic part runs on.
type clock struct {
	mu     sync.Mutex
	offset time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return setWall(time.Now(), c.offset)
}

// setWall moves the wall part of a time that has both. No API does: the seconds
// stand above the 30 bits of nanoseconds in the first word (package time, type Time).
func setWall(t time.Time, by time.Duration) time.Time {
	word := (*uint64)(unsafe.Pointer(&t))
	if *word>>63 == 0 {
		return t.Add(by) // it has a wall part only, as all times in a bubble
	}
	*word += uint64(by/time.Second) << 30
	return t
}

func (c *clock) jump(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset += d
}

type fake struct {
	mu    sync.Mutex
	set   source.Set
	reads []time.Time
	read  chan struct{} // if not nil, gets one for each reading
}

func (f *fake) Read(context.Context) (source.Set, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reads = append(f.reads, time.Now())
	if f.read != nil {
		f.read <- struct{}{}
	}
	return f.set, nil
}

func (f *fake) put(secret string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.set = source.Set{Keys: []source.Key{{Secret: source.NewSecret(secret)}}}
}

func withNow(now func() time.Time) Option { return func(c *config) { c.now = now } }

// F72: the overlap ends when either clock says so: a wall clock that is set
// forward ends it, and one that is set back does not prolong it.
func TestOverlapByEitherClock(t *testing.T) {
	start := time.Now()
	if later := setWall(start, time.Hour); later.Sub(start) != 0 || later.Round(0).Sub(start.Round(0)) != time.Hour {
		t.Fatal("setWall does not do what it says")
	}
	v := &version{replacedAt: start}
	for name, c := range map[string]struct {
		now  time.Time
		over bool
	}{
		"neither":       {start.Add(59 * time.Minute), false},
		"both":          {start.Add(time.Hour), true},
		"wall forward":  {setWall(start.Add(time.Minute), time.Hour), true},
		"wall set back": {setWall(start.Add(time.Hour), -time.Hour), true},
	} {
		if got := v.overlapOver(c.now, time.Hour); got != c.over {
			t.Errorf("%s: over is %v", name, got)
		}
	}
}

// F72: a wall clock that is set forward ends the overlap at the next look.
func TestWallClockJumpEndsTheOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, f := &clock{}, &fake{}
		f.put("sentinel-a")
		r, err := Keep(t.Context(), f, WithLogger(nil), WithPoll(time.Minute), WithOverlap(30*time.Minute), withNow(c.now))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		time.Sleep(time.Second)
		f.put("sentinel-b")
		if err := r.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		a, err := r.Attempt(t.Context(), true)
		if err != nil {
			t.Fatal(err)
		}
		a.Accepted()
		if n := len(r.Status().Versions); n != 2 || r.Status().Versions[1].Role != RolePrevious {
			t.Fatalf("%d versions", n)
		}
		c.jump(time.Hour)
		time.Sleep(2 * time.Minute)
		if role := r.Status().Versions[1].Role; role != RoleRetired {
			t.Errorf("the previous key is %s after the clock went an hour ahead", role)
		}
	})
}

// A wall clock that jumps, as that of a machine that slept does, makes the ring
// read its source when it next wakes, however long the poll interval. Outside a
// bubble, where times have a monotonic part.
//
// F72, F111
func TestWallClockJumpReads(t *testing.T) {
	for name, by := range map[string]time.Duration{"forward": time.Hour, "back": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			c, f := &clock{}, &fake{read: make(chan struct{}, 100)}
			f.put("sentinel-a")
			r, err := Keep(t.Context(), f, WithLogger(nil), WithPoll(1000*time.Hour), withNow(c.now))
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			<-f.read
			signal(r.signals.wake)
			for start := time.Now(); len(r.signals.wake) > 0; runtime.Gosched() { // until the loop is at work
				if time.Since(start) > 10*time.Second {
					t.Fatal("the loop does not run")
				}
			}
			c.jump(by)
			signal(r.signals.wake)
			select {
			case <-f.read:
			case <-time.After(10 * time.Second):
				t.Error("not read after the jump")
			}
		})
	}
}

// F77: a fleet that starts together does not poll together, nor recover together.
func TestFleetSpreads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const clients, interval = 1000, 10 * time.Second
		f := &fake{}
		f.put("sentinel-a")
		var rings []*Ring
		for range clients {
			r, err := Keep(t.Context(), f, WithLogger(nil), WithPoll(interval))
			if err != nil {
				t.Fatal(err)
			}
			rings = append(rings, r)
		}
		start := time.Now()
		time.Sleep(5 * time.Minute)
		for _, r := range rings {
			r.Close()
		}
		var seconds [300]int
		for _, at := range f.reads[clients:] {
			seconds[int(at.Sub(start)/time.Second)%len(seconds)]++
		}
		for i, n := range seconds {
			if n > 160 { // the mean is 100
				t.Errorf("second %d: %d readings", i, n)
			}
		}
	})
}

// F102: a key that is out of its overlap can be collected, whatever became of it.
func TestOldKeyIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		f.put("sentinel-a")
		r, err := Keep(t.Context(), f, WithLogger(nil), WithOverlap(time.Hour), WithRefusalWait(0))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		accept := func() {
			t.Helper()
			a, err := r.Attempt(t.Context(), true)
			if err != nil {
				t.Fatal(err)
			}
			a.Accepted()
		}
		accept()
		old := weak.Make(r.roster.list[0].key.Load())
		f.put("sentinel-b")
		if err := r.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if a, err := r.Attempt(t.Context(), true); err != nil || !a.Next(t.Context(), true) || a.Next(t.Context(), true) {
			t.Errorf("a doubt was settled: %v", err)
		}
		accept()
		time.Sleep(2 * time.Hour)
		accept()
		for range 100 {
			runtime.GC()
			if old.Value() == nil {
				return
			}
			runtime.Gosched()
		}
		t.Error("the old key is still held")
	})
}

// A version that is in use is one pointer away: no allocation.
func TestReadingTheVersionAllocatesNothing(t *testing.T) {
	f := &fake{}
	f.put("sentinel-a")
	r, err := Keep(t.Context(), f, WithLogger(nil))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if n := testing.AllocsPerRun(100, func() { _ = r.Version() }); n != 0 {
		t.Errorf("Version: %v allocations", n)
	}
	if n := testing.AllocsPerRun(100, func() { a, _ := r.Attempt(t.Context(), true); a.Accepted() }); n != 0 {
		t.Errorf("Attempt: %v allocations", n)
	}
}

// A probe that hangs while the clock is set back does not end probing.
//
// F72
func TestHungProbeAndAClockSetBack(t *testing.T) {
	g := newRig(false, "v2", "v1")
	g.now = time.Now()
	g.play(t, "a=v2 a>v1 a+ 1s p=v2 59s b=v1")
	g.now = setWall(g.now.Add(time.Second), -time.Hour)
	g.play(t, "c=v2")
}

// Clients whose new key is refused at the same moment do not probe at the same one.
//
// F77
func TestHoldOffIsJittered(t *testing.T) {
	pauses := make(map[time.Duration]bool)
	for range 50 {
		pauses[new(policy).length(1)] = true
	}
	if len(pauses) < 45 {
		t.Errorf("%d pauses", len(pauses))
	}
}
