package grpcauth_test

import (
	"testing"

	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport/internal/drill"
)

// The source lists a key that the server does not know yet. Each kind of call is made
// again with the previous key, and the refused key does not count as accepted.
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

// The server accepts the new key before the source has it: the call waits for the new
// key.
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

// Six goroutines make calls of every kind while keys rotate four times. In every second
// rotation the server is first. No call fails.
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

// If every key is refused, a call is made no more often than the ring allows: at first
// once with each key, then once.
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

// If bad keys lock out, no call is sent once every key is refused.
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
