// Package soak rotates keys at random under load and with faults, and checks that no
// request fails. The keys come from a file, from an endpoint, and from a mounted
// Secret with nginx in front of the server. The test takes 30 s, or 5 s with -short.
// To run it longer, or to repeat a run with its seed:
//
//	make soak DURATION=10m SEED=42
//
// # Failed requests
//
// An error or a status other than 200 is a failure during each of these rotations:
//
//   - The server accepts both keys while the source changes.
//   - The source changes first. The server, or some of its replicas, refuses the new
//     key for a while. Requests fall back.
//   - The server changes first and refuses the old key at once, without an overlap.
//     Requests wait for the source, which gets the new key within the refusal wait
//     (here 10 s, so that a busy machine causes no failure; the default is 3 s).
//   - The source returns to the previous key, which the server still accepts.
//   - The current key is revoked while a previous key is good.
//   - A key expires after another has become valid.
//
// The source may fail in any way while the server still accepts the last good key. The
// client may be restarted during an overlap; it gets the previous key from its cache.
// Requests to the mock API run without retries.
//
// Cut connections, 502, 503, and a gateway that is killed have nothing to do with keys:
// no transport can tell whether such a request was applied. They occur only behind
// nginx. There the client runs with WithRetry, and orders carry an Idempotency-Key, by
// which the server recognizes an order that it has already applied. The test allows
// that only if a response was lost.
//
// # Checks
//
// The test compares each finished request with the server's record: the reported
// version, the number of attempts, and that each order was applied exactly once. No key
// may be sent that was never issued. At the end, with the traffic stopped, the number of
// goroutines and descriptors and the heap must be about what they were after the
// warm-up. All log lines, events, errors and statuses are searched for secrets.
package soak_test

import (
	"flag"
	"testing"
	"time"

	"go.uber.org/goleak"
)

var (
	duration = flag.Duration("duration", 0, "how long to soak; default 30s, 5s with -short")
	seed     = flag.Uint64("seed", 0, "seed of the random rotations and faults; default: a random seed")
)

// limit is how long a step waits for a condition.
const limit = 30 * time.Second

// F104
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
