// Package soak proves the promise over time: keys from a file, from an endpoint
// and behind nginx rotate at random, with faults all the while, and no request
// fails. It is a test of 30 s, 5 s with -short; longer, and the same again:
//
//	make soak DURATION=10m SEED=42
//
// # What is promised, and so what counts as a failed request
//
// Any error, and any status but 200, of any request, under one of these rotations:
//
//   - the server takes both keys while the source changes;
//   - the source is first, and the server refuses the new key for a while, all of
//     it or some replicas: requests fall back;
//   - the server is first and refuses the old key at once, with no overlap at all:
//     requests wait for the source, which has the new key within the refusal wait
//     (here 10 s, so that a busy machine is no failure; the default is 3 s);
//   - the source goes back to the key before, which the server still takes;
//   - the current key is revoked while a previous one is good;
//   - a key begins its life and another ends by the clock, not before and after
//     the other's.
//
// A source may fail as it likes meanwhile, as long as the server goes on taking
// the last good key, and a client may be closed and begun anew in the midst of an
// overlap: it has the key before from its cache. All of this runs without any
// retry, on files and on an endpoint.
//
// A connection that is cut, a 502, a 503 and a gateway that is killed with
// requests in it are no matter of keys: no transport can tell whether such a
// request was applied. Behind nginx, where these come, the client runs with
// WithRetry and orders carry an Idempotency-Key, by which the server knows an
// order that it has applied already; it is asked to only where an answer was lost.
//
// # What is checked
//
// Each request as it ends, against the server's own record of it: the version
// reported, the number of attempts, each order applied exactly once, no key sent
// that was never issued. At the end, against the end of the warm-up, with the
// traffic stopped: goroutines, descriptors and heap. And everything that the
// library logs, reports or returns as an error is searched for secrets.
package soak_test

import (
	"flag"
	"testing"
	"time"

	"go.uber.org/goleak"
)

var (
	duration = flag.Duration("duration", 0, "how long to soak; default 30s, 5s with -short")
	seed     = flag.Uint64("seed", 0, "what the rotations and faults are drawn from; default at random")
)

// limit is how long a step waits for what must come.
const limit = 30 * time.Second

// F104
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
