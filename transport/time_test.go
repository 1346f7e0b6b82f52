package transport_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
)

// Three replicas learn of v2 at different times. No request fails, and few are sent
// twice.
//
// F60, F64
func TestReplicasLearnAtDifferentTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := mockapi.New(t, mockapi.WithMemory(), mockapi.WithReplicas(3),
			mockapi.WithPropagation(func(replica int) time.Duration { return time.Duration(replica) * 4 * time.Second }))
		set := func(keys ...source.Key) source.Set { return source.Set{Keys: keys, Complete: true} }
		v1 := api.Issue(mockapi.Spec{Replicas: map[int]time.Duration{0: 0, 1: 0, 2: 0}})
		s := newStore()
		s.set = set(v1)
		var switches atomic.Int64
		live := keep(t, s, ring.WithObserver(func(e ring.Event) {
			if e.Kind == ring.FellBack || e.Kind == ring.Recovered {
				switches.Add(1)
			}
		}))
		rt := unbound(live, transport.Bearer(), transport.WithBase(api.Client().Transport))
		requests, attempts := 0, 0
		for second := range 60 {
			if second == 5 {
				v2 := api.Rotate(time.Hour)
				s.mu.Lock()
				s.set = set(v2, v1)
				s.mu.Unlock()
				s.kick <- struct{}{}
			}
			for range 20 {
				a, err := try(rt, get(t, api.URL()+"/"))
				if err != nil || a.StatusCode != http.StatusOK {
					t.Fatalf("second %d: %v, error %v", second, a.Response, err)
				}
				requests++
				attempts += a.seen.Attempts()
				time.Sleep(50 * time.Millisecond)
			}
		}
		if attempts-requests > 20 {
			t.Errorf("%d attempts for %d requests", attempts, requests)
		}
		if n := switches.Load(); n > 20 {
			t.Errorf("%d changes of version in a minute", n)
		}
		if v := live.Version(); v != "v2" {
			t.Errorf("%s is in use at the end", v)
		}
		live.Close()
	})
}

// If a server accepts the new version only sometimes, the ring does not switch back and
// forth.
//
// F64
func TestAlternatingServerDoesNotFlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := mockapi.New(t, mockapi.WithMemory(), mockapi.WithReplicas(2))
		v1 := api.Issue(mockapi.Spec{})
		v2 := api.Issue(mockapi.Spec{Inactive: true})
		if err := api.Activate(v2.Version, 0); err != nil { // never on replica 1
			t.Fatal(err)
		}
		s := newStore()
		s.set = source.Set{Keys: []source.Key{v2, v1}, Complete: true}
		var moves atomic.Int64
		keys := keep(t, s, ring.WithObserver(func(e ring.Event) {
			if e.Kind == ring.FellBack || e.Kind == ring.Recovered {
				moves.Add(1)
			}
		}))
		rt := unbound(keys, transport.Bearer(), transport.WithBase(api.Client().Transport))
		for range 1800 { // three minutes
			a, err := try(rt, get(t, api.URL()+"/"))
			if err != nil || a.StatusCode != http.StatusOK {
				t.Fatalf("%v, error %v", a.Response, err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if n := moves.Load(); n > 40 {
			t.Errorf("%d changes of version in three minutes", n)
		}
		keys.Close()
	})
}

// The ring decides whether the overlap is over when the refusal arrives, not when the
// request is sent.
//
// F69
func TestOverlapThatEndsMidRequest(t *testing.T) {
	for name, c := range map[string]struct {
		held   time.Duration
		status int
		sent   int
	}{
		"inside":  {59 * time.Second, http.StatusOK, 2},
		"outside": {61 * time.Second, http.StatusUnauthorized, 2}, // with v2 once more, since it was accepted last
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api := mockapi.New(t, mockapi.WithMemory())
				v1 := api.Issue(mockapi.Spec{})
				v2 := api.Issue(mockapi.Spec{Inactive: true})
				s := newStore()
				plain := func(k source.Key) source.Set {
					return source.Set{Keys: []source.Key{{Secret: k.Secret}}} // as a file with one key
				}
				s.set = plain(v1)
				keys := keep(t, s, ring.WithOverlap(time.Minute), ring.WithRefusalWait(0), ring.WithPoll(time.Hour))
				rt := unbound(keys, transport.Bearer(), transport.WithBase(api.Client().Transport))
				time.Sleep(time.Second)
				s.mu.Lock()
				s.set = plain(v2)
				s.mu.Unlock()
				if err := keys.Refresh(t.Context()); err != nil {
					t.Fatal(err)
				}
				accepted, err := keys.Attempt(t.Context(), true)
				if err != nil {
					t.Fatal(err)
				}
				accepted.Accepted() // the overlap begins
				hold := api.Hold("v2")
				go func() {
					time.Sleep(c.held)
					hold.Release()
				}()
				a, err := try(rt, get(t, api.URL()+"/"))
				if err != nil || a.StatusCode != c.status || a.seen.Attempts() != c.sent {
					t.Errorf("%v, %d attempts, error %v", a.Response, a.seen.Attempts(), err)
				}
				keys.Close()
			})
		})
	}
}

// A stream that began with one version continues while versions come and go.
//
// F73
func TestStreamOutlivesRotations(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		g := newGate("v1", "v2", "v3")
		events := make(chan string)
		g.serve = func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/events" {
				return
			}
			w.Header().Set("Content-Type", "text/event-stream")
			for e := range events {
				_, _ = fmt.Fprintf(w, "data: %s\n\n", e)
				_ = http.NewResponseController(w).Flush()
			}
		}
		srv := p.serve(t, g)
		s := newStore("v1")
		keys := keep(t, s)
		rt := unbound(keys, transport.Bearer(), transport.WithBase(srv.base(t)), transport.WithRecycle())
		done := make(chan struct{})
		defer func() { <-done }()
		defer close(events)
		resp := make(chan *http.Response)
		go func() {
			defer close(done)
			events <- "start"
		}()
		go func() {
			r, err := rt.RoundTrip(get(t, srv.URL+"/events"))
			if err != nil {
				t.Error(err)
				r = &http.Response{Body: http.NoBody}
			}
			resp <- r
		}()
		stream := <-resp
		defer stream.Body.Close()
		expect := func(want string) {
			t.Helper()
			line := make([]byte, len("data: "+want+"\n\n"))
			if _, err := io.ReadFull(stream.Body, line); err != nil || string(line) != "data: "+want+"\n\n" {
				t.Fatalf("read %q, error %v", line, err)
			}
		}
		expect("start")
		for _, v := range []string{"v2", "v3"} {
			move(t, keys, s, v)
			send(t, rt, get(t, srv.URL)).want(t, http.StatusOK, v, 1)
			events <- v
			expect(v)
		}
	})
}

// If the caller cancels while the refusal is classified, there is no second attempt.
//
// F41
func TestCancelBetweenAttempts(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		ctx, cancel := context.WithCancel(t.Context())
		g := newGate("v1")
		srv := p.serve(t, g)
		rt := unbound(keep(t, newStore("v2", "v1")), transport.Bearer(), transport.WithBase(srv.base(t)),
			transport.WithClassifier(func(a *transport.Answer) transport.Verdict {
				cancel()
				return transport.RFC6750(a)
			}))
		resp, err := rt.RoundTrip(get(t, srv.URL).WithContext(ctx))
		if resp != nil || !errors.Is(err, context.Canceled) {
			t.Errorf("%v, error %v", resp, err)
		}
		g.wantVersions(t, "v2")
	})

	// The same if the scheme learns the server's clock from the answer.
	ctx, cancel := context.WithCancel(t.Context())
	sent := 0
	base := roundTripper(func(*http.Request) (*http.Response, error) {
		sent++
		cancel()
		return status(http.StatusBadRequest), nil
	})
	rt := unbound(keep(t, newStore("v1")), resyncing(transport.Bearer()), transport.WithBase(base),
		transport.WithClassifier(func(*transport.Answer) transport.Verdict { return transport.ClockSkew }))
	resp, err := rt.RoundTrip(get(t, "https://api.example.com").WithContext(ctx))
	if resp != nil || !errors.Is(err, context.Canceled) || sent != 1 {
		t.Errorf("%v, error %v, %d attempts", resp, err, sent)
	}
}

// Client.Timeout covers all attempts together: it ends a slow refusal and a slow
// answer.
//
// F42
func TestClientTimeoutCoversBothAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := mockapi.New(t, mockapi.WithMemory(), mockapi.WithRefusal(mockapi.Refusal{Delay: 600 * time.Millisecond}))
		v1 := api.Issue(mockapi.Spec{})
		v2 := api.Issue(mockapi.Spec{Inactive: true})
		api.Intercept(func(_ http.ResponseWriter, r *http.Request, a mockapi.Attempt) bool {
			if a.Accepted {
				select {
				case <-time.After(600 * time.Millisecond):
				case <-r.Context().Done():
				}
			}
			return false
		})
		s := newStore()
		s.set = source.Set{Keys: []source.Key{v2, v1}, Complete: true}
		keys := keep(t, s)
		client := &http.Client{Timeout: time.Second,
			Transport: unbound(keys, transport.Bearer(), transport.WithBase(api.Client().Transport))}
		start := time.Now()
		_, err := client.Do(get(t, api.URL()+"/"))
		var timeout interface{ Timeout() bool }
		if !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("error %v", err)
		}
		if d := time.Since(start); d != time.Second { // exact, by the synctest clock
			t.Errorf("ended after %v", d)
		}
		if n := len(api.Requests()); n != 2 {
			t.Errorf("%d attempts", n)
		}
		keys.Close()
	})
}
