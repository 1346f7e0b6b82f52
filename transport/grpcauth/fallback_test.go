package grpcauth_test

import (
	"errors"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport/internal/drill"
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
				b.Accept("v1")
				b.early = early
				if err := call(t.Context(), b.api); err != nil {
					t.Fatal(err)
				}
				b.WantSeen(t, "v2", "v1")
				b.standing("v2", ring.StateRefused, 0, 1)
				b.standing("v1", ring.StateAccepted, 1, 0)
				if err := call(t.Context(), b.api); err != nil {
					t.Fatal(err)
				}
				b.WantSeen(t, "v2", "v1", "v1")
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
			b.Accept("v2")
			done := make(chan error, 1)
			go func() { done <- call(t.Context(), b.api) }()
			b.until("the refusal", func() bool { return b.Refused > 0 })
			b.store.Put(drill.Keys("v2")...)
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			b.WantSeen(t, "v1", "v1", "v1", "v2") // the second once more, as v1 was accepted last (F123)
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
	calls := make(map[string]func(string) error)
	for kind, call := range kinds {
		calls[kind] = func(string) error { return call(t.Context(), b.api) }
	}
	drill.Alternate(t, &b.Checker, b.store, b.ring, calls)
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
			b.ring = b.store.Keep(t, ring.WithRefusalWait(0))
			b.rewire()
			b.Accept()
			for range 20 {
				if err := call(t.Context(), b.api); status.Code(err) != codes.Unauthenticated {
					t.Fatalf("%v, want Unauthenticated", err)
				}
			}
			b.Set(func() {
				if n := len(b.Seen); n < 20 || n > 22 {
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
		b.ring = b.store.Keep(t, ring.WithRefusalWait(0), ring.WithLockout())
		b.rewire()
		b.Accept()
		if err := call(t.Context(), b.api); status.Code(err) != codes.Unauthenticated {
			t.Errorf("%s: %v, want Unauthenticated", name, err)
		}
		var seen int
		b.Set(func() { seen = len(b.Seen) })
		for range 10 {
			if err := call(t.Context(), b.api); !errors.Is(err, ring.ErrRefused) || status.Code(err) != codes.Unauthenticated {
				t.Errorf("%s: %v, want ErrRefused", name, err)
			}
		}
		b.Set(func() {
			if len(b.Seen) != seen || seen > 2 {
				t.Errorf("%s: %d attempts, and then %d", name, seen, len(b.Seen))
			}
		})
	}
}
