package vault_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/vault"
)

// F75, F77, F88, F92: whatever happens at the store, requests have a key, and
// the ring finds the new one by itself when it is over.
func TestFaults(t *testing.T) {
	const secret = `{"errors":["` + conformance.Sentinel + `"]}`
	for name, tc := range map[string]struct {
		begin, end func(*store, *gate)
		want       error
	}{
		"server killed and restarted": {func(s *store, _ *gate) { s.Kill() }, func(s *store, _ *gate) { s.Restart() }, source.ErrUnavailable},
		"sealed":                      {func(s *store, _ *gate) { s.must(s.root.Sys().Seal()) }, func(s *store, _ *gate) { s.Restart() }, source.ErrUnavailable},
		"connection reset":            {func(_ *store, g *gate) { g.set(cut) }, nil, source.ErrUnavailable},
		"no answer in time":           {func(_ *store, g *gate) { g.hang() }, func(_ *store, g *gate) { g.release() }, source.ErrUnavailable},
		"throttled":                   {func(_ *store, g *gate) { g.set(answers(429, secret, "Retry-After", "1")) }, nil, source.ErrUnavailable},
		"internal error":              {func(_ *store, g *gate) { g.set(answers(500, secret)) }, nil, source.ErrUnavailable},
		"a page in place of an answer": {func(_ *store, g *gate) {
			g.set(answers(200, "<html>"+conformance.Sentinel, "Content-Type", "text/html"))
		}, nil, source.ErrUnavailable},
		"not KV version 2":         {func(_ *store, g *gate) { g.set(answers(400, secret)) }, nil, source.ErrInvalid},
		"permission revoked":       {func(s *store, _ *gate) { s.allow(nothing) }, func(s *store, _ *gate) { s.allow(reader) }, source.ErrDenied},
		"every version is deleted": {func(s *store, _ *gate) { s.must(s.kv.Delete(context.Background(), "key")) }, nil, source.ErrNoKey},
		"secret deleted":           {func(s *store, _ *gate) { s.delete() }, func(s *store, _ *gate) { s.write(nil) }, source.ErrNoKey},
		"nothing but an empty version": {func(s *store, _ *gate) {
			s.write(map[string]any{})
			s.must(s.kv.DeleteVersions(context.Background(), "key", []int{1}))
		}, nil, source.ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore(t)
			g := newGate(t, s)
			src, err := vault.New(g.client(), "secret", "key")
			s.must(err)
			s.write(token("1"))
			ring, err := source.Keep(t.Context(), src,
				source.WithPoll(time.Second), source.WithReadTimeout(3*time.Second), source.WithLogger(nil))
			s.must(err)
			defer ring.Close()
			requests := use(t, ring)

			tc.begin(s, g)
			err = ring.Refresh(t.Context())
			if !errors.Is(err, tc.want) {
				t.Errorf("the reading says %v, want %v", err, tc.want)
			}
			if typed := (*source.Error)(nil); !errors.As(err, &typed) || typed.Source != src.String() {
				t.Errorf("%v does not name the source", err)
			} else if name == "throttled" && typed.RetryAfter != time.Second {
				t.Errorf("RetryAfter is %v", typed.RetryAfter)
			}
			if err != nil && strings.Contains(err.Error(), conformance.Sentinel) { // F95
				t.Error("the error quotes the server")
			}
			if v := ring.Version(); v != "1" {
				t.Errorf("%q is in use during the fault", v)
			}
			if tc.end != nil {
				tc.end(s, g)
			}
			g.set(nil)
			s.write(token("2"))
			until(t, func() bool {
				key, _ := ring.InUse()
				return key.Secret.Expose() == conformance.Sentinel+"2"
			})
			requests()
		})
	}
}

// Trying again is the ring's: one call a reading that fails (F77).
func TestDoesNotInsist(t *testing.T) {
	s := newStore(t)
	g := newGate(t, s)
	client := g.client()
	client.SetMaxRetries(2) // the client's default
	src, err := vault.New(client, "secret", "key")
	s.must(err)
	g.set(answers(500, ""))
	if _, err := src.Read(t.Context()); !errors.Is(err, source.ErrUnavailable) {
		t.Fatal(err)
	}
	if n := g.count("/v1/secret/metadata/key"); n != 1 {
		t.Errorf("%d calls, want 1", n)
	}
}

// use makes requests until the returned function is called, which wants that
// each had a key.
func use(t *testing.T, ring *source.Ring) (done func()) {
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	var failed atomic.Int64
	ended := make(chan int, 1)
	go func() {
		n := 0
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for ; ctx.Err() == nil; n++ {
			a, err := ring.Attempt(true)
			if err != nil {
				failed.Add(1)
			} else {
				a.Accepted()
			}
			<-tick.C
		}
		ended <- n
	}()
	return func() {
		t.Helper()
		cancel()
		if n := <-ended; n == 0 || failed.Load() > 0 {
			t.Errorf("%d of %d requests had no key", failed.Load(), n)
		}
	}
}

func until(t *testing.T, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatal("it never came")
		}
	}
}
