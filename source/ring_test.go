package source_test

import (
	"context"
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
)

// store is a source under the test's control.
type store struct {
	mu    sync.Mutex
	set   source.Set
	err   error
	reads int
	hang  chan struct{} // while not nil, Read waits for it
	kick  chan struct{} // not nil: the store can notify
}

func (s *store) Read(ctx context.Context) (source.Set, error) {
	s.mu.Lock()
	s.reads++
	hang := s.hang
	s.mu.Unlock()
	if hang != nil {
		select {
		case <-hang:
		case <-ctx.Done():
			return source.Set{}, &source.Error{Source: "store", Err: fmt.Errorf("%w: %w", source.ErrUnavailable, ctx.Err())}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.set, s.err
}

func (s *store) String() string { return "store" }

func (s *store) put(set source.Set, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set, s.err = set, err
}

func (s *store) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reads
}

// pushing is a store that can notify.
type pushing struct{ store }

func (s *pushing) Notify(ctx context.Context, changed func()) error {
	changed()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.kick:
			changed()
		}
	}
}

// key makes a key whose secret is sentinel-version.
func key(version string) source.Key {
	return source.Key{Version: version, Secret: source.NewSecret("sentinel-" + version)}
}

func plain(secret string) source.Set {
	return source.Set{Keys: []source.Key{{Secret: source.NewSecret("sentinel-" + secret)}}}
}

func listed(versions ...string) source.Set {
	set := source.Set{Complete: true}
	for _, v := range versions {
		set.Keys = append(set.Keys, key(v))
	}
	return set
}

// events collects what a ring reports.
type events struct {
	mu   sync.Mutex
	list []source.Event
}

func (e *events) add(ev source.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, ev)
}

func (e *events) kinds() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var kinds []string
	for _, ev := range e.list {
		if ev.Kind != source.Refreshed {
			kinds = append(kinds, strings.TrimSpace(string(ev.Kind)+" "+ev.Version))
		}
	}
	return kinds
}

func (e *events) count(kind source.EventKind) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := 0
	for _, ev := range e.list {
		if ev.Kind == kind {
			n++
		}
	}
	return n
}

func keep(t *testing.T, src source.Source, opts ...source.Option) (*source.Ring, *events) {
	t.Helper()
	ev := &events{}
	ring, err := source.Keep(t.Context(), src, append([]source.Option{source.WithLogger(nil), source.WithObserver(ev.add)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ring.Close() })
	return ring, ev
}

func refresh(t *testing.T, r *source.Ring) {
	t.Helper()
	if err := r.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// attempt begins an attempt and checks which version it carries.
func attempt(t *testing.T, r *source.Ring, version string) source.Attempt {
	t.Helper()
	a, err := r.Attempt(true)
	if err != nil {
		t.Fatal(err)
	}
	if a.Version() != version {
		t.Fatalf("attempt with %q, want %q", a.Version(), version)
	}
	return a
}

// next refuses a and checks which version comes next; "" for none.
func next(t *testing.T, a *source.Attempt, version string) source.Attempt {
	t.Helper()
	b, ok := a.Next(t.Context(), false)
	if ok != (version != "") || ok && b.Version() != version {
		t.Fatalf("after a refusal of %q: next is %v, want %q", a.Version(), ok, version)
	}
	return b
}

func wantKinds(t *testing.T, ev *events, want ...string) {
	t.Helper()
	synctest.Wait()
	if got := ev.kinds(); !slices.Equal(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
}

// A refused new key falls back, is held off, probed by one request at a time,
// and promoted by the first success.
//
// F60
func TestRefusedCurrentFallsBackAndIsProbed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v2", "v1")}
		r, ev := keep(t, s, source.WithPoll(time.Hour))
		a := attempt(t, r, "v2")
		b := next(t, &a, "v1")
		b.Accepted()
		for range 3 {
			c := attempt(t, r, "v1")
			c.Accepted()
		}
		if st := r.Status(); st.InUse != "v1" || st.Current.Version != "v2" || st.Current.State != source.StateRefused {
			t.Fatalf("status %+v", st)
		}
		time.Sleep(1200 * time.Millisecond)
		probe := attempt(t, r, "v2")
		other := attempt(t, r, "v1") // while the probe is out
		other.Accepted()
		b = next(t, &probe, "v1")
		b.Accepted()
		time.Sleep(1200 * time.Millisecond)
		c := attempt(t, r, "v1") // the hold-off has doubled
		c.Accepted()
		time.Sleep(1200 * time.Millisecond)
		probe = attempt(t, r, "v2")
		probe.Accepted()
		c = attempt(t, r, "v2")
		c.Accepted()
		wantKinds(t, ev, "switched v2", "refused v2", "fell_back v1", "recovered v2")
	})
}

// F59: what left before the switch says nothing about the version that came with it.
func TestLateRefusalDoesNotDemote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: plain("a")}
		r, _ := keep(t, s)
		v1 := r.Version()
		late := attempt(t, r, v1)
		time.Sleep(time.Second)
		s.put(plain("b"), nil)
		refresh(t, r)
		v2 := r.Version()
		if v1 == v2 {
			t.Fatal("no switch")
		}
		a := attempt(t, r, v2)
		a.Accepted()
		b := next(t, &late, v2)
		b.Accepted()
		a = attempt(t, r, v2)
		a.Accepted()
	})
}

// F59: a refusal that was on its way when its version became current again is old
// news: it does not demote it.
func TestLateRefusalAfterRollback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: plain("a")}
		r, _ := keep(t, s)
		v1 := r.Version()
		late := attempt(t, r, v1)
		time.Sleep(time.Second)
		s.put(plain("b"), nil)
		refresh(t, r)
		v2 := r.Version()
		s.put(plain("a"), nil)
		refresh(t, r)
		b := next(t, &late, v2)
		b.Accepted()
		a := attempt(t, r, v1)
		a.Accepted()
	})
}

// F58: however many keys there are, a request is sent twice.
func TestTwoAttemptsOutOfThreeKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := keep(t, &store{set: listed("v3", "v2", "v1")}, source.WithRefusalWait(0))
		a := attempt(t, r, "v3")
		b := next(t, &a, "v2")
		next(t, &b, "")
		a = attempt(t, r, "v1") // what is left
		a.Accepted()
	})
}

// F58, F64: with every key refused each request is one attempt, and events do not pile up.
func TestAllRefusedIsOneAttemptEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v2", "v1")}
		r, ev := keep(t, s, source.WithPoll(time.Hour))
		attempts := 0
		for range 1000 {
			a, err := r.Attempt(true)
			for err == nil {
				attempts++
				b, ok := a.Next(t.Context(), false)
				if !ok {
					break
				}
				a = b
			}
			time.Sleep(10 * time.Millisecond)
		}
		if attempts > 1000+20 {
			t.Errorf("%d attempts for 1000 requests", attempts)
		}
		if n := s.count(); n > 30 { // a second apart at the most
			t.Errorf("%d readings", n)
		}
		synctest.Wait()
		if n := ev.count(source.AllRefused); n != 1 {
			t.Errorf("%d AllRefused events", n)
		}
		a := attempt(t, r, "v2")
		a.Accepted()
		synctest.Wait()
		if !r.Status().Healthy || ev.count(source.Recovered) != 1 {
			t.Errorf("not recovered: %v", ev.kinds())
		}
	})
}

// F61, F62: the server moved first; 100 refused requests share one reading and
// wait for the source within their own contexts.
func TestServerMovedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &pushing{store{set: plain("a"), kick: make(chan struct{})}}
		r, _ := keep(t, s, source.WithPoll(time.Hour))
		synctest.Wait()
		before := s.count()
		v1 := r.Version()
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				ctx := t.Context()
				if i == 0 { // the one that leads gives up early
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, 100*time.Millisecond)
					defer cancel()
				}
				a, err := r.Attempt(true)
				if err != nil {
					t.Error(err)
					return
				}
				b, ok := a.Next(ctx, false)
				if i == 0 {
					if ok {
						t.Error("went on after its context ended")
					}
					return
				}
				if !ok || b.Version() == v1 {
					t.Errorf("request %d was not saved", i)
					return
				}
				b.Accepted()
			})
		}
		time.Sleep(time.Second)
		if n := s.count() - before; n != 1 {
			t.Errorf("%d readings for 100 refused requests", n)
		}
		s.put(plain("b"), nil)
		s.kick <- struct{}{}
		wg.Wait()
		if n := s.count() - before; n != 2 {
			t.Errorf("%d readings, want the shared one and the one after the notice", n)
		}
	})
}

// F63: two versions are refused at once; nobody gets back the one that was refused for him.
func TestOverlappingRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: plain("a")}
		r, _ := keep(t, s)
		v1 := attempt(t, r, r.Version())
		time.Sleep(time.Second)
		s.put(plain("b"), nil)
		refresh(t, r)
		v2 := attempt(t, r, r.Version())
		name1, name2 := v1.Version(), v2.Version()
		a, b := next(t, &v1, name2), next(t, &v2, name1)
		s.put(plain("c"), nil)
		c, ok := a.Next(t.Context(), false)
		d, ok2 := b.Next(t.Context(), false)
		if !ok || !ok2 || c.Version() != d.Version() || c.Version() == name1 || c.Version() == name2 {
			t.Fatalf("got %v %q, %v %q", ok, c.Version(), ok2, d.Version())
		}
	})
}

// F68: the server takes only v2, then only v1, after v1 -> v2 -> v3 within a second.
func TestTwoRotationsInOneOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: plain("a")}
		r, _ := keep(t, s)
		var names []string
		for _, content := range []string{"a", "b", "c"} {
			s.put(plain(content), nil)
			refresh(t, r)
			names = append(names, r.Version())
			time.Sleep(300 * time.Millisecond)
		}
		a := attempt(t, r, names[2])
		b := next(t, &a, names[1])
		b.Accepted()
		a = attempt(t, r, names[1])
		b = next(t, &a, names[2]) // held off, but the server may have moved on to it
		b = next(t, &b, names[0])
		b.Accepted()
		a = attempt(t, r, names[0])
		a.Accepted()
	})
}

// F60: the server takes up the new key and drops the old one within the new
// one's hold-off, while an older key that is dead lingers in its overlap.
func TestOldKeyEndsWithinTheHoldOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: plain("a")}
		r, _ := keep(t, s)
		var names []string
		for _, content := range []string{"a", "b", "c"} {
			s.put(plain(content), nil)
			refresh(t, r)
			names = append(names, r.Version())
			time.Sleep(time.Minute)
		}
		a := attempt(t, r, names[2]) // not active yet
		b := next(t, &a, names[1])
		b.Accepted()
		a = attempt(t, r, names[1]) // expires now
		b = next(t, &a, names[2])
		b.Accepted()
		a = attempt(t, r, names[2])
		a.Accepted()
	})
}

// F60: the server goes from the old key to the new one between the two attempts
// of a request, without an overlap of its own.
func TestServerMovesBetweenTheAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: plain("a")}
		r, _ := keep(t, s, source.WithRefusalWait(0))
		old := r.Version()
		a := attempt(t, r, old)
		a.Accepted()
		time.Sleep(time.Second)
		s.put(plain("b"), nil)
		refresh(t, r)
		current := r.Version()
		a = attempt(t, r, current) // the server does not know it yet
		b := next(t, &a, old)      // now it does, and drops the old one
		b = next(t, &b, current)
		b.Accepted()
		a = attempt(t, r, current)
		a.Accepted()
		// The other way round: the old one is in use, and the replicas differ.
		a = attempt(t, r, current)
		b = next(t, &a, "")
		if st := r.Status(); st.Versions[1].State != source.StateRefused {
			t.Errorf("%+v", st.Versions[1])
		}
	})
}

// F61, F68: the server moves on before the new key was ever used, and an older
// one that is dead lingers: the request gets to the key that the source brings.
func TestServerMovesOnWithinTheHoldOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: plain("a")}
		r, _ := keep(t, s)
		var names []string
		for _, content := range []string{"a", "b", "c"} {
			s.put(plain(content), nil)
			refresh(t, r)
			names = append(names, r.Version())
			time.Sleep(time.Minute)
		}
		a := attempt(t, r, names[2])
		b := next(t, &a, names[1])
		b.Accepted()
		go func() {
			time.Sleep(time.Second)
			s.put(plain("d"), nil)
		}()
		a = attempt(t, r, names[1])
		b = next(t, &a, names[2])
		b = next(t, &b, names[0])
		d, ok := b.Next(t.Context(), false)
		if !ok || slices.Contains(names, d.Version()) {
			t.Fatalf("%v, %q", ok, d.Version())
		}
		d.Accepted()
	})
}

// F16: the same content is no rotation, and does not push out the previous key.
func TestSameContentIsNoRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: plain("a")}
		r, ev := keep(t, s)
		time.Sleep(time.Second)
		for range 100 {
			s.put(plain("b"), nil)
			refresh(t, r)
		}
		if n := len(r.Status().Versions); n != 2 {
			t.Errorf("%d versions", n)
		}
		if ev.count(source.Switched) != 2 {
			t.Errorf("events %v", ev.kinds())
		}
		a := attempt(t, r, r.Version())
		if _, ok := a.Next(t.Context(), false); !ok {
			t.Error("the previous key is gone")
		}
	})
}

// F69, F72: the overlap ends at its time, decided at the moment of the refusal.
func TestOverlapEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: plain("a")}
		r, ev := keep(t, s, source.WithOverlap(time.Minute), source.WithRefusalWait(0))
		v1 := r.Version()
		time.Sleep(time.Second)
		s.put(plain("b"), nil)
		refresh(t, r)
		v2 := r.Version()
		a := attempt(t, r, v2)
		b := attempt(t, r, v2)
		time.Sleep(59 * time.Second)
		c := next(t, &a, v1)
		c.Unknown()
		time.Sleep(time.Second)
		next(t, &b, "")
		synctest.Wait()
		if ev.count(source.OverlapEnded) != 1 {
			t.Errorf("events %v", ev.kinds())
		}
	})
}

// WithOverlap(0) keeps no previous key.
func TestNoOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: plain("a")}
		r, _ := keep(t, s, source.WithOverlap(0), source.WithRefusalWait(0))
		time.Sleep(time.Second)
		s.put(plain("b"), nil)
		refresh(t, r)
		a := attempt(t, r, r.Version())
		next(t, &a, "")
	})
}

// F70: a previous key that was refused where the current one was accepted is not tried again.
func TestRefusedPreviousIsTriedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v2", "v1")}
		r, _ := keep(t, s, source.WithRefusalWait(0))
		old := attempt(t, r, "v2") // refused by one replica, say
		b := next(t, &old, "v1")
		b.Accepted()
		// v1 is revoked at the server; v2 works everywhere by now.
		a := attempt(t, r, "v1")
		c := next(t, &a, "v2")
		c.Accepted()
		tried := 0
		for range 100 {
			a := attempt(t, r, "v2")
			if b, ok := a.Next(t.Context(), false); ok {
				tried++
				b.Unknown()
			}
			time.Sleep(time.Second)
		}
		if tried != 0 {
			t.Errorf("v1 was tried %d times more", tried)
		}
	})
}

// F71: back and forth at the source.
func TestRollback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: plain("a")}
		r, ev := keep(t, s)
		v1 := r.Version()
		time.Sleep(time.Second)
		s.put(plain("b"), nil)
		refresh(t, r)
		v2 := r.Version()
		time.Sleep(time.Second)
		s.put(plain("a"), nil)
		refresh(t, r)
		a := attempt(t, r, v1)
		b := next(t, &a, v2)
		b.Unknown()
		time.Sleep(time.Second)
		s.put(plain("b"), nil)
		refresh(t, r)
		a = attempt(t, r, v2)
		a.Accepted()
		wantKinds(t, ev, "switched "+v1, "switched "+v2, "rolled_back "+v1, "rolled_back "+v2)
	})
}

// F90: told not to follow, the ring keeps the newer key.
func TestWithoutRollback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v4")}
		r, _ := keep(t, s, source.WithoutRollback())
		s.put(listed("v5"), nil)
		refresh(t, r)
		dated := listed("v3")
		for name, old := range map[string]source.Set{"was current": listed("v4"), "listed again": listed("v4", "v5"), "dated": dated} {
			if name == "dated" {
				newer := listed("v5")
				newer.Keys[0].CreatedAt = time.Now()
				s.put(newer, nil)
				refresh(t, r)
				old.Keys[0].CreatedAt = time.Now().Add(-time.Hour)
			}
			s.put(old, nil)
			if err := r.Refresh(t.Context()); !errors.Is(err, source.ErrRollback) || r.Version() != "v5" {
				t.Errorf("%s: version %s, error %v", name, r.Version(), err)
			}
		}
	})
}

// F91: the same version name over another secret is another key, and somebody hears of it.
func TestSameVersionOtherSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := func(secret string) source.Set {
			return source.Set{Complete: true, Keys: []source.Key{{Version: "v5", Secret: source.NewSecret(secret)}}}
		}
		s := &store{set: set("sentinel-a")}
		r, ev := keep(t, s)
		s.put(set("sentinel-b"), nil)
		refresh(t, r)
		refresh(t, r)
		k, err := r.InUse()
		if err != nil || k.Secret.Expose() != "sentinel-b" || k.Version != "v5#2" {
			t.Errorf("key %v %s, error %v", k.Version, k.Secret, err)
		}
		synctest.Wait()
		if ev.count(source.Warning) != 1 || ev.count(source.Switched) != 2 {
			t.Errorf("events %v", ev.kinds())
		}
	})
}

// F04, F83 and the like: what is empty, torn or unusable never replaces a good key.
func TestBadSetsChangeNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v1")}
		r, _ := keep(t, s, source.WithPrepare(func(k source.Key) (any, error) {
			if k.Version == "bad" {
				return nil, errors.New("cannot be parsed")
			}
			return nil, nil
		}))
		for name, c := range map[string]struct {
			set  source.Set
			err  error
			want error
		}{
			"nothing":      {want: source.ErrNoKey},
			"no secret":    {set: source.Set{Keys: []source.Key{{Version: "v2"}}}, want: source.ErrInvalid},
			"listed twice": {set: source.Set{Complete: true, Keys: []source.Key{key("v2"), {Version: "v2", Secret: source.NewSecret("other")}}}, want: source.ErrInvalid},
			"unusable":     {set: listed("bad"), want: source.ErrUnusable},
			"expired":      {set: source.Set{Keys: []source.Key{{Version: "v2", Secret: source.NewSecret("x"), ExpiresAt: time.Now().Add(-1)}}}, want: source.ErrUnusable},
			"error":        {err: source.ErrUnavailable, want: source.ErrUnavailable},
		} {
			s.put(c.set, c.err)
			if err := r.Refresh(t.Context()); !errors.Is(err, c.want) || !strings.Contains(err.Error(), "store") {
				t.Errorf("%s: error %v, want %v", name, err, c.want)
			}
			if v := r.Version(); v != "v1" {
				t.Errorf("%s: version %q", name, v)
			}
		}
		// An unusable key at the head of a list leaves the good one behind it current.
		s.put(listed("bad", "v1"), nil)
		refresh(t, r)
		if v := r.Version(); v != "v1" {
			t.Errorf("version %q", v)
		}
	})
}

// NotBefore, ExpiresAt and the Expiring event, by the clock alone.
func TestDates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		set := listed("v2", "v1")
		set.Keys[0].NotBefore = start.Add(time.Hour)
		set.Keys[0].ExpiresAt = start.Add(3 * time.Hour)
		set.Keys[1].ExpiresAt = start.Add(2 * time.Hour)
		s := &store{set: set}
		r, ev := keep(t, s, source.WithPoll(10*time.Hour), source.WithExpiring(30*time.Minute), source.WithStaleAfter(100*time.Hour))
		at := func(d time.Duration, want string) {
			t.Helper()
			time.Sleep(time.Until(start.Add(d)))
			synctest.Wait()
			if v := r.Version(); v != want {
				t.Errorf("after %v: version %q, want %q", d, v, want)
			}
		}
		at(59*time.Minute, "v1")
		at(61*time.Minute, "v2")
		at(121*time.Minute, "v2")
		at(181*time.Minute, "")
		if _, err := r.Attempt(true); !errors.Is(err, source.ErrNoKey) {
			t.Errorf("error %v", err)
		}
		wantKinds(t, ev, "switched v1", "switched v2", "overlap_ended v1", "expiring v2", "overlap_ended v2")
	})
}

// Revoked keys are out at once, by the source's word or the operator's.
func TestRevoke(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v3", "v2", "v1")}
		r, ev := keep(t, s)
		if err := r.Revoke("v3"); err != nil {
			t.Fatal(err)
		}
		a := attempt(t, r, "v2")
		a.Accepted()
		refresh(t, r) // the source still lists v3
		a = attempt(t, r, "v2")
		a.Accepted()
		set := listed("v1")
		set.Revoked = []string{"v2"}
		s.put(set, nil)
		refresh(t, r)
		a = attempt(t, r, "v1")
		a.Accepted()
		s.put(source.Set{Complete: true, Revoked: []string{"v1"}}, nil)
		refresh(t, r)
		if _, err := r.Attempt(true); !errors.Is(err, source.ErrNoKey) {
			t.Errorf("error %v", err)
		}
		if err := r.Revoke("v9"); !errors.Is(err, source.ErrNoKey) {
			t.Errorf("error %v", err)
		}
		synctest.Wait()
		if ev.count(source.Revoked) != 3 {
			t.Errorf("events %v", ev.kinds())
		}
	})
}

// F75: down at start: waits, or fails fast, by choice; later the last good keys.
func TestDownAtStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := &source.Error{Source: "store", Err: source.ErrUnavailable}
		s := &store{err: down}
		if _, err := source.Keep(t.Context(), s, source.WithFailFast(), source.WithLogger(nil)); !errors.Is(err, source.ErrNoKey) || !errors.Is(err, source.ErrUnavailable) {
			t.Errorf("fail fast: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := source.Keep(ctx, s, source.WithLogger(nil))
		if !errors.Is(err, source.ErrNoKey) || !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, source.ErrUnavailable) {
			t.Errorf("ctx ended: %v", err)
		}
		go func() {
			time.Sleep(10 * time.Second)
			s.put(listed("v1"), nil)
		}()
		r, _ := keep(t, s)
		s.put(source.Set{}, down)
		time.Sleep(24 * time.Hour)
		a := attempt(t, r, "v1")
		a.Accepted()
	})
}

// F76: age, staleness, and the optional limit.
func TestStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v1")}
		r, ev := keep(t, s, source.WithPoll(time.Minute), source.WithMaxStale(time.Hour))
		s.put(source.Set{}, source.ErrUnavailable)
		time.Sleep(2 * time.Minute)
		if st := r.Status(); st.Stale || !st.Healthy {
			t.Errorf("stale too soon: %+v", st)
		}
		time.Sleep(3 * time.Minute)
		if st := r.Status(); !st.Stale || st.Healthy || st.LastError == "" || st.Age < 3*time.Minute {
			t.Errorf("not stale: %+v", st)
		}
		time.Sleep(time.Hour)
		if _, err := r.Attempt(true); !errors.Is(err, source.ErrStale) {
			t.Errorf("error %v", err)
		}
		s.put(listed("v1"), nil)
		time.Sleep(2 * time.Minute)
		a := attempt(t, r, "v1")
		a.Accepted()
		synctest.Wait()
		if ev.count(source.Stale) != 1 {
			t.Errorf("events %v", ev.kinds())
		}
	})
}

// F78: Refresh honours its own context, whatever the source does.
func TestRefreshHonoursContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v1")}
		r, _ := keep(t, s)
		hang := make(chan struct{})
		s.mu.Lock()
		s.hang = hang
		s.mu.Unlock()
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		start := time.Now()
		if err := r.Refresh(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		if d := time.Since(start); d != 500*time.Millisecond {
			t.Errorf("returned after %v", d)
		}
		close(hang)
	})
}

// F13, F97, F107, F108: observers may block, panic, close the ring, refresh it;
// they get events in order.
func TestObservers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v0")}
		r, _ := keep(t, s)
		block := make(chan struct{})
		defer close(block)
		var order []string
		r.Subscribe(func(source.Event) { <-block })
		r.Subscribe(func(source.Event) { panic("observer") })
		stop := r.Subscribe(func(e source.Event) {
			if e.Kind == source.Switched {
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
		r.Subscribe(func(source.Event) {
			_ = r.Refresh(context.Background())
			r.Close()
		})
		s.put(listed("last"), nil)
		refresh(t, r)
		synctest.Wait()
		if _, err := r.Attempt(true); !errors.Is(err, source.ErrClosed) {
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
	r.Subscribe(func(e source.Event) {
		if e.Kind == source.Switched {
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

// F105, F106: Close is idempotent, concurrent, bounded when the source hangs.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v1")}
		r, _ := keep(t, s)
		s.mu.Lock()
		s.hang = make(chan struct{})
		s.mu.Unlock()
		out := attempt(t, r, "v1")
		go r.Refresh(context.Background())
		synctest.Wait()
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() { r.Close() })
		}
		wg.Wait()
		out.Accepted()
		if err := r.Refresh(t.Context()); !errors.Is(err, source.ErrClosed) {
			t.Errorf("error %v", err)
		}
		if a, err := r.Attempt(true); !errors.Is(err, source.ErrClosed) {
			t.Errorf("%v, error %v", a, err)
		}
	})
}

// F109: zero values and nil arguments are typed errors.
func TestZeroValues(t *testing.T) {
	if _, err := source.Keep(t.Context(), nil); !errors.Is(err, source.ErrNoKey) {
		t.Errorf("nil source: %v", err)
	}
	for _, r := range []*source.Ring{nil, {}} {
		if _, err := r.Attempt(true); !errors.Is(err, source.ErrNoKey) {
			t.Errorf("Attempt: %v", err)
		}
		if _, err := r.InUse(); !errors.Is(err, source.ErrNoKey) {
			t.Errorf("InUse: %v", err)
		}
		if _, err := r.Prepare(nil); !errors.Is(err, source.ErrNoKey) {
			t.Errorf("Prepare: %v", err)
		}
		if r.Refresh(t.Context()) == nil || r.Revoke("v1") == nil || r.Close() != nil || r.Version() != "" || r.Status().Healthy {
			t.Error("a ring that is none works")
		}
	}
}

// Where bad keys lock out, requests are answered here while every key is refused.
func TestLockout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v2", "v1")}
		r, _ := keep(t, s, source.WithLockout(), source.WithPoll(time.Hour))
		sent, local := 0, 0
		for range 600 { // one minute
			a, err := r.Attempt(true)
			if err != nil {
				if !errors.Is(err, source.ErrRefused) {
					t.Fatal(err)
				}
				local++
			}
			for err == nil {
				sent++
				b, ok := a.Next(t.Context(), false)
				if !ok {
					break
				}
				a = b
			}
			time.Sleep(100 * time.Millisecond)
		}
		if sent > 5 || local == 0 {
			t.Errorf("%d bad-key attempts reached the server in a minute, %d were answered here", sent, local)
		}
		time.Sleep(2 * time.Minute)
		a := attempt(t, r, "v2")
		a.Accepted()
		a = attempt(t, r, "v2")
		a.Accepted()
	})
}

// Status says when an old key is safe to revoke.
func TestSafeToRevoke(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{set: listed("v2", "v1")}
		r, _ := keep(t, s)
		old := func() source.VersionStatus { return r.Status().Versions[1] }
		a := attempt(t, r, "v2")
		b := next(t, &a, "v1")
		if vs := old(); vs.SafeToRevoke || vs.InFlight != 1 {
			t.Errorf("in flight: %+v", vs)
		}
		b.Accepted()
		if vs := old(); vs.SafeToRevoke {
			t.Errorf("in use: %+v", vs)
		}
		time.Sleep(2 * time.Second)
		a = attempt(t, r, "v2")
		a.Accepted()
		if vs := old(); vs.SafeToRevoke {
			t.Errorf("just used: %+v", vs)
		}
		time.Sleep(2 * time.Minute)
		if vs := old(); !vs.SafeToRevoke || vs.Requests != 1 || vs.Accepted != 1 {
			t.Errorf("quiet: %+v", vs)
		}
	})
}

// The default log holds what an operator must see, and no secret.
func TestLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		var mu sync.Mutex
		log := slog.New(slog.NewJSONHandler(lockedWriter{&mu, &out}, &slog.HandlerOptions{Level: slog.LevelDebug}))
		s := &store{set: listed("v1")}
		r, err := source.Keep(t.Context(), s, source.WithLogger(log))
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
