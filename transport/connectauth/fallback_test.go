package connectauth_test

import (
	"context"
	"net/http"
	"testing"

	"connectrpc.com/connect"

	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport/internal/drill"
)

// The source lists a key that the server does not know yet. Each kind of call is made
// again with the previous key, over each protocol, and the refused key does not count
// as accepted.
//
// F118
func TestFallsBackToPreviousOnUnauthenticated(t *testing.T) {
	each(t, func(t *testing.T, protocol []connect.ClientOption, call func(context.Context, *calls) error) {
		for _, byHTTP := range []bool{false, true} {
			b := setup(t, protocol, []string{"v2", "v1"})
			b.Accept("v1")
			b.byHTTP = byHTTP
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
		}
	})
}

// Every kind of call that HTTP/1.1 can carry falls back over HTTP/1.1 too.
//
// F118
func TestFallsBackOverHTTP1(t *testing.T) {
	for _, p := range []string{"connect", "grpc-web"} {
		for _, k := range []string{"unary", "server"} {
			b := setup(t, protocols[p], []string{"v2", "v1"})
			b.http.ForceAttemptHTTP2, b.http.TLSNextProto = false, nil
			b.http.Protocols = new(http.Protocols)
			b.http.Protocols.SetHTTP1(true)
			b.http.TLSClientConfig.NextProtos = nil
			b.Accept("v1")
			if err := kinds[k](t.Context(), b.api); err != nil {
				t.Errorf("%s, %s: %v", p, k, err)
			}
			b.WantSeen(t, "v2", "v1")
		}
	}
}

// A call without side effects is a GET. Its second attempt is a GET too, with the same
// headers as the first.
//
// F118
func TestFallsBackByGet(t *testing.T) {
	for _, p := range []string{"connect", "json"} {
		b := setup(t, append(protocols[p][:len(protocols[p]):len(protocols[p])], connect.WithHTTPGet(),
			connect.WithIdempotency(connect.IdempotencyNoSideEffects)), []string{"v2", "v1"})
		b.Accept("v1")
		req := connect.NewRequest(body(1))
		req.Header().Set("X-Mine", "a")
		if _, err := b.api.unary.CallUnary(t.Context(), req); err != nil {
			t.Fatal(err)
		}
		if req.HTTPMethod() != http.MethodGet || req.Header().Get("X-Mine") != "a" {
			t.Errorf("the second attempt goes by %s", req.HTTPMethod())
		}
		b.WantSeen(t, "v2", "v1")
	}
}

// The server accepts the new key before the source has it: the call waits for the new
// key.
//
// F118
func TestWaitsForTheSource(t *testing.T) {
	each(t, func(t *testing.T, protocol []connect.ClientOption, call func(context.Context, *calls) error) {
		b := setup(t, protocol, []string{"v1"})
		b.fallback(call).WaitsForTheSource(t)
	})
}

// Six goroutines make calls of every kind while keys rotate four times. In every second
// rotation the server is first. No call fails.
//
// F118
func TestRotatesUnderLoad(t *testing.T) {
	overEach(t, func(t *testing.T, p string, protocol []connect.ClientOption) {
		if p == "json" {
			return // the protocol is that of "connect"
		}
		b := setup(t, protocol, []string{"v1"})
		calls := make(map[string]func(string) error)
		for kind, call := range kinds {
			calls[kind] = func(string) error { return call(t.Context(), b.api) }
		}
		drill.Alternate(t, &b.Checker, b.store, b.ring, calls)
	})
}

// If every key is refused, a call is made no more often than the ring allows: at first
// once with each key, then once.
//
// F118, F58
func TestAllRefusedDoesNotMultiply(t *testing.T) {
	each(t, func(t *testing.T, protocol []connect.ClientOption, call func(context.Context, *calls) error) {
		b := setup(t, protocol, []string{"v2", "v1"})
		b.reopen(ring.WithRefusalWait(0))
		b.fallback(call).AllRefused(t)
	})
}
