package grpcauth_test

import (
	"testing"

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
			b.fallback(call).WaitsForTheSource(t)
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
			b.reopen(ring.WithRefusalWait(0))
			b.fallback(call).AllRefused(t)
		})
	}
}

// Where bad keys lock out, no call goes out once every key is refused.
//
// F118, F58
func TestLockout(t *testing.T) {
	for name, call := range kinds {
		t.Run(name, func(t *testing.T) {
			b := setup(t, []string{"v2", "v1"})
			b.reopen(ring.WithRefusalWait(0), ring.WithLockout())
			b.fallback(call).Lockout(t)
		})
	}
}
