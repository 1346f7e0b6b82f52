package grpcauth_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rollingkeys/rollingkeys/source/ring"
)

// The source lists a key that the server does not know yet: each kind of call is
// made again with the previous one, and the refused key does not count as accepted.
//
// F118
func TestFallsBackToPreviousOnUnauthenticated(t *testing.T) {
	for name, call := range kinds {
		for _, early := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				b := setup(t, []string{"v2", "v1"})
				b.accept("v1")
				b.early = early
				if err := call(t.Context(), b.api); err != nil {
					t.Fatal(err)
				}
				b.wantSeen(t, "v2", "v1")
				b.standing("v2", ring.StateRefused, 0, 1)
				b.standing("v1", ring.StateAccepted, 1, 0)
				if err := call(t.Context(), b.api); err != nil {
					t.Fatal(err)
				}
				b.wantSeen(t, "v2", "v1", "v1")
			})
		}
	}
}

// The server has moved before the source: the call waits for the new key.
//
// F118
func TestWaitsForTheSource(t *testing.T) {
	for name, call := range kinds {
		t.Run(name, func(t *testing.T) {
			b := setup(t, []string{"v1"})
			if err := call(t.Context(), b.api); err != nil {
				t.Fatal(err)
			}
			b.accept("v2")
			done := make(chan error, 1)
			go func() { done <- call(t.Context(), b.api) }()
			b.until("the refusal", func() bool { return b.refused > 0 })
			b.store.put("v2")
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			b.wantSeen(t, "v1", "v1", "v1", "v2") // the second once more, as v1 was accepted last (F123)
			b.standing("v2", ring.StateAccepted, 1, 0)
		})
	}
}

// Six goroutines with every kind of call, four rotations of which every second one
// comes to the server first: no call fails.
//
// F118
func TestRotatesUnderLoad(t *testing.T) {
	b := setup(t, []string{"v1"})
	var wg sync.WaitGroup
	stop := make(chan struct{})
	var rounds [6]atomic.Int64
	var calls atomic.Int64
	for i := range rounds {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				for name, call := range kinds {
					calls.Add(1)
					if err := call(t.Context(), b.api); err != nil {
						t.Errorf("%s: %v", name, err)
					}
				}
				rounds[i].Add(1)
			}
		})
	}
	// settle waits until every call that is out now has ended.
	settle := func() {
		var before [len(rounds)]int64
		for i := range rounds {
			before[i] = rounds[i].Load()
		}
		for i := range rounds {
			b.until("the calls", func() bool { return rounds[i].Load() > before[i]+1 })
		}
	}
	versions := []string{"v1", "v2", "v3", "v4", "v5"}
	for n := 1; n < len(versions); n++ {
		old, next := versions[n-1], versions[n]
		var refused int
		b.set(func() { refused = b.refused })
		if n%2 == 1 { // the source first
			b.refresh(next, old)
			b.until("refusals", func() bool { return b.refused > refused })
			b.accept(old, next)
			b.until("the new key", func() bool { return b.served[next] > 0 })
			settle()
			b.accept(next)
			settle()
			b.refresh(next)
		} else { // the server first
			b.accept(next)
			b.until("refusals", func() bool { return b.refused > refused })
			b.store.put(next)
		}
		settle()
	}
	close(stop)
	wg.Wait()
	b.set(func() {
		t.Logf("%d calls, %d attempts, %d refused", calls.Load(), len(b.seen), b.refused)
		if extra := int64(len(b.seen)) - calls.Load(); extra != int64(b.refused) {
			t.Errorf("%d attempts besides the calls, for %d refusals", extra, b.refused)
		}
	})
	for _, v := range b.ring.Status().Versions {
		if v.InFlight != 0 {
			t.Errorf("%s: %d in flight", v.Version, v.InFlight)
		}
	}
}

// Where every key is refused, a call is made no more often than the ring says: once
// with each at first, and then once.
//
// F118, F58
func TestAllRefusedDoesNotMultiply(t *testing.T) {
	for name, call := range kinds {
		t.Run(name, func(t *testing.T) {
			b := setup(t, []string{"v2", "v1"})
			b.ring.Close()
			b.ring = keep(t, b.store, ring.WithRefusalWait(0))
			b.rewire()
			b.accept()
			for range 20 {
				if err := call(t.Context(), b.api); status.Code(err) != codes.Unauthenticated {
					t.Fatalf("%v, want Unauthenticated", err)
				}
			}
			b.set(func() {
				if n := len(b.seen); n < 20 || n > 22 {
					t.Errorf("%d attempts for 20 calls", n)
				}
			})
			for _, v := range b.ring.Status().Versions {
				if v.Accepted != 0 || v.InFlight != 0 || v.State != ring.StateRefused {
					t.Errorf("%s is %s: accepted %d, in flight %d", v.Version, v.State, v.Accepted, v.InFlight)
				}
			}
		})
	}
}

// Where bad keys lock out, no call goes out once every key is refused.
//
// F118, F58
func TestLockout(t *testing.T) {
	for name, call := range kinds {
		b := setup(t, []string{"v2", "v1"})
		b.ring.Close()
		b.ring = keep(t, b.store, ring.WithRefusalWait(0), ring.WithLockout())
		b.rewire()
		b.accept()
		if err := call(t.Context(), b.api); status.Code(err) != codes.Unauthenticated {
			t.Errorf("%s: %v, want Unauthenticated", name, err)
		}
		var seen int
		b.set(func() { seen = len(b.seen) })
		for range 10 {
			if err := call(t.Context(), b.api); !errors.Is(err, ring.ErrRefused) || status.Code(err) != codes.Unauthenticated {
				t.Errorf("%s: %v, want ErrRefused", name, err)
			}
		}
		b.set(func() {
			if len(b.seen) != seen || seen > 2 {
				t.Errorf("%s: %d attempts, and then %d", name, seen, len(b.seen))
			}
		})
	}
}
