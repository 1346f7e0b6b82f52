package connectauth_test

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"connectrpc.com/connect"

	"github.com/rollingkeys/rollingkeys/source/ring"
)

// The source lists a key that the server does not know yet: each kind of call is
// made again with the previous one, over each protocol, and the refused key does not
// count as accepted.
//
// F118
func TestFallsBackToPreviousOnUnauthenticated(t *testing.T) {
	each(t, func(t *testing.T, protocol []connect.ClientOption, call func(context.Context, *calls) error) {
		for _, byHTTP := range []bool{false, true} {
			b := setup(t, protocol, []string{"v2", "v1"})
			b.accept("v1")
			b.byHTTP = byHTTP
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
		}
	})
}

// What HTTP/1.1 can carry falls back over it, too.
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
			b.accept("v1")
			if err := kinds[k](t.Context(), b.api); err != nil {
				t.Errorf("%s, %s: %v", p, k, err)
			}
			b.wantSeen(t, "v2", "v1")
		}
	}
}

// A call without side effects goes by GET, and so does its second attempt, for which the
// headers are as the first has found them.
//
// F118
func TestFallsBackByGet(t *testing.T) {
	for _, p := range []string{"connect", "json"} {
		b := setup(t, append(protocols[p][:len(protocols[p]):len(protocols[p])], connect.WithHTTPGet(),
			connect.WithIdempotency(connect.IdempotencyNoSideEffects)), []string{"v2", "v1"})
		b.accept("v1")
		req := connect.NewRequest(body(1))
		req.Header().Set("X-Mine", "a")
		if _, err := b.api.unary.CallUnary(t.Context(), req); err != nil {
			t.Fatal(err)
		}
		if req.HTTPMethod() != http.MethodGet || req.Header().Get("X-Mine") != "a" {
			t.Errorf("the second attempt goes by %s", req.HTTPMethod())
		}
		b.wantSeen(t, "v2", "v1")
	}
}

// The server has moved before the source: the call waits for the new key.
//
// F118
func TestWaitsForTheSource(t *testing.T) {
	each(t, func(t *testing.T, protocol []connect.ClientOption, call func(context.Context, *calls) error) {
		b := setup(t, protocol, []string{"v1"})
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

// Six goroutines with every kind of call, four rotations of which every second one
// comes to the server first: no call fails.
//
// F118
func TestRotatesUnderLoad(t *testing.T) {
	overEach(t, func(t *testing.T, p string, protocol []connect.ClientOption) {
		if p == "json" {
			return // the protocol is that of "connect"
		}
		b := setup(t, protocol, []string{"v1"})
		var wg sync.WaitGroup
		stop := make(chan struct{})
		var rounds [6]atomic.Int64
		var made atomic.Int64
		for i := range rounds {
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					for name, call := range kinds {
						made.Add(1)
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
			t.Logf("%d calls, %d attempts, %d refused", made.Load(), len(b.seen), b.refused)
			if extra := int64(len(b.seen)) - made.Load(); extra != int64(b.refused) {
				t.Errorf("%d attempts besides the calls, for %d refusals", extra, b.refused)
			}
		})
		for _, v := range b.ring.Status().Versions {
			if v.InFlight != 0 {
				t.Errorf("%s: %d in flight", v.Version, v.InFlight)
			}
		}
	})
}

// Where every key is refused, a call is made no more often than the ring says: once
// with each at first, and then once.
//
// F118, F58
func TestAllRefusedDoesNotMultiply(t *testing.T) {
	each(t, func(t *testing.T, protocol []connect.ClientOption, call func(context.Context, *calls) error) {
		b := setup(t, protocol, []string{"v2", "v1"})
		b.reopen(ring.WithRefusalWait(0))
		b.accept()
		for range 20 {
			if err := call(t.Context(), b.api); connect.CodeOf(err) != connect.CodeUnauthenticated {
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
