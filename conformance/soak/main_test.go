// Package soak rotates keys at random under load and with faults, and checks each request
// against the server's own record. The test takes about 35 s, or 10 s with -short. To run
// it longer, to repeat a run with its seed, or to reach figures, as fast as the machine
// allows and without the race detector:
//
//	make soak DURATION=10m SEED=42
//	make soak REQUESTS=5000000 ROTATIONS=10000
//
// # Lanes and tracks
//
// There are four lanes: HTTP/1.1 and HTTP/2, each without odd answers and with them. An
// odd answer is a 401 for a good key, which one replica gives now and then. A lane has
// three or four tracks, each with a source, a server and six clients: the keys come from a
// plain file, from the key document of the mock API by long poll, from the same with an
// exchange as the server, to which requests are signed with their body, and, over
// HTTP/1.1, from a mounted Secret with nginx in front of the server.
//
// The clients send GET and HEAD; orders with and without an Idempotency-Key; orders whose
// body cannot be read again; downloads that come in pieces; uploads of 300 KiB; requests
// with a short deadline, or that are canceled; and requests through go-retryablehttp.
// Behind nginx the client has WithRetry.
//
// # Rotations
//
// The steps of a track are: both keys are accepted; the source changes first; the server
// changes first; the replicas change one by one; a rollback; the current key is revoked;
// a key expires; the source fails in any way, or is half-written; the client restarts; the
// server cuts connections, answers 503, or loses responses; the gateway is killed. And
// beyond what the contract promises: the source is late beyond the refusal wait; the key
// is replaced twice without an overlap; no key is accepted by all replicas. A rotation
// counts when each client has had a response with the other key.
//
// # Excuses
//
// A request may fail only for a reason that the contract names, and that the server's
// record shows: see the type excuse. The test prints a figure for each, and fails if a
// request fails without one, if a version is reported that the server did not see, if an
// order is lost or applied twice, or if a key is sent that was never issued. In a lane with
// odd answers, less than 0.1 % of the requests may fail because of these.
//
// The server cuts connections and answers 503 for reasons that have nothing to do with
// keys: no transport can tell whether such a request was applied. Requests that a client
// may repeat must be served in the end, and an order with an Idempotency-Key, by which the
// server recognizes an order whose response was lost, must be applied once.
//
// # Leaks
//
// With the traffic stopped, the number of goroutines and descriptors and the heap must be
// about what they were after a third of the soak. The record of a request is dropped when
// it is checked. All log lines, events, errors and statuses are searched for secrets.
package soak_test

import (
	"flag"
	"testing"
	"time"

	"go.uber.org/goleak"
)

var (
	duration  = flag.Duration("duration", 0, "how long to soak at most; default 25s, 5s with -short, and no limit with -requests or -rotations")
	requests  = flag.Int64("requests", 0, "end when there were so many requests; the clients send without a pause")
	rotations = flag.Int64("rotations", 0, "end when there were so many rotations, likewise")
	oddShare  = flag.Float64("odd", 0.0004, "share of good keys that are refused oddly, in the lanes with odd answers")
	seed      = flag.Uint64("seed", 0, "seed of the random rotations and faults; default: a random seed")
)

const (
	// beat is the interval of each client's requests, without -requests and -rotations; a
	// late response delays the next.
	beat = 50 * time.Millisecond
	// limit is how long a step waits for a condition: longer than any hold-off.
	limit = 90 * time.Second
)

// F104
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
