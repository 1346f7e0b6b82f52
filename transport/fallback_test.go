package transport_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport"
)

// The source lists a version that the server does not know yet: the request is
// sent again with the previous one, and those after it begin with that.
//
// F60
func TestFallsBackToPreviousOn401(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		g := newGate("v1")
		srv := p.serve(t, g)
		ring := keep(t, newStore("v2", "v1"))
		rt := transport.New(ring, transport.Bearer(), transport.WithBase(srv.base(t)))
		a := send(t, rt, request(t, http.MethodPost, srv.URL, strings.NewReader("order")))
		a.want(t, http.StatusOK, "v1", 2)
		if a.body != "order" || !a.seen.Moved() {
			t.Errorf("body %q, moved %v", a.body, a.seen.Moved())
		}
		send(t, rt, get(t, srv.URL)).want(t, http.StatusOK, "v1", 1)
		g.wantVersions(t, "v2", "v1", "v1")
		if n := srv.conns.Load(); n != 1 {
			t.Errorf("%d connections for 3 attempts", n)
		}
	})
}

// A refusal is judged by the version that was sent: one that comes late, for
// the old version, is answered with the new one and does not demote it.
//
// F59
func TestLateRefusalKeepsNewVersion(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		g := newGate("v1", "v2")
		arrived, release := make(chan struct{}), make(chan struct{})
		g.serve = func(w http.ResponseWriter, r *http.Request) {
			if w.Header().Get("Served-Version") == "v1" {
				close(arrived)
				<-release
				w.WriteHeader(http.StatusUnauthorized)
			}
		}
		srv := p.serve(t, g)
		s := newStore("v1")
		ring := keep(t, s)
		rt := transport.New(ring, transport.Bearer(), transport.WithBase(srv.base(t)))
		late := make(chan answer, 1)
		go func() {
			a, err := try(rt, get(t, srv.URL))
			if err != nil {
				t.Error(err)
			}
			late <- a
		}()
		<-arrived
		move(t, ring, s, "v2", "v1")
		close(release)
		a := <-late
		a.want(t, http.StatusOK, "v2", 2)
		send(t, rt, get(t, srv.URL)).want(t, http.StatusOK, "v2", 1)
		g.wantVersions(t, "v1", "v2", "v2")
	})
}

// Every key is refused: the server's answer goes back, and 1,000 requests are
// hardly more attempts.
//
// F58, F70
func TestRejectAllIsOneAttemptEach(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		g := newGate()
		srv := p.serve(t, g)
		s := newStore("v2", "v1")
		ring := keep(t, s, source.WithRefusalWait(0))
		rt := transport.New(ring, transport.Bearer(), transport.WithBase(srv.base(t)))
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				for range 100 {
					a, err := try(rt, get(t, srv.URL))
					if err != nil || a.StatusCode != http.StatusUnauthorized || a.body != "refused" {
						t.Errorf("answer %q, error %v", a.body, err)
						return
					}
				}
			})
		}
		wg.Wait()
		// The first of each goroutine, and one probe for each hold-off.
		if n := len(g.records()); n > 1000+50 {
			t.Errorf("%d attempts for 1000 requests", n)
		}
		if n := s.count(); n > 20 {
			t.Errorf("%d readings of the source", n)
		}
	})
}

// The server moved before the source did, with no overlap: requests in flight
// wait for one shared reading and go on with what the source then has; nobody
// who gives up takes the others with him.
//
// F61, F62
func TestServerMovedFirst(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		const n = 100
		g := newGate("v2")
		srv := p.serve(t, g)
		s := newStore("v1")
		ring := keep(t, s, source.WithRefusalWait(30*time.Second))
		rt := transport.New(ring, transport.Bearer(), transport.WithBase(srv.base(t)))
		hang := make(chan struct{})
		s.mu.Lock()
		before := s.reads
		s.hang = hang
		s.mu.Unlock()

		leader, giveUp := context.WithCancel(t.Context())
		leads := make(chan error, 1)
		go func() {
			_, err := try(rt, get(t, srv.URL).WithContext(leader))
			leads <- err
		}()
		eventually(t, "the leader's reading", func() bool { return s.count() == before+1 })
		var wg sync.WaitGroup
		for range n - 1 {
			wg.Go(func() {
				a, err := try(rt, get(t, srv.URL))
				if err != nil {
					t.Error(err)
					return
				}
				a.want(t, http.StatusOK, "v2", 2)
			})
		}
		eventually(t, "all to be refused", func() bool { return len(g.records()) == n })
		giveUp()
		if err := <-leads; !errors.Is(err, context.Canceled) {
			t.Errorf("the leader: %v", err)
		}
		s.mu.Lock()
		s.set, s.hang = listed("v2"), nil
		s.mu.Unlock()
		close(hang)
		wg.Wait()
		if got := s.count() - before; got != 1 {
			t.Errorf("%d readings for %d refused requests", got, n)
		}
		send(t, rt, get(t, srv.URL)).want(t, http.StatusOK, "v2", 1)
	})
}

// The source gets the new key a moment after the server: its notification is
// what the waiting requests go on with.
//
// F61
func TestServerMovedFirstAndTheSourceNotifies(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		g := newGate("v2")
		srv := p.serve(t, g)
		s := newStore("v1")
		ring := keep(t, s, source.WithRefusalWait(30*time.Second))
		rt := transport.New(ring, transport.Bearer(), transport.WithBase(srv.base(t)))
		before := s.count()
		done := make(chan error, 1)
		go func() {
			a, err := try(rt, request(t, http.MethodPost, srv.URL, strings.NewReader("order")))
			if err == nil && a.body != "order" {
				err = fmt.Errorf("status %d, body %q", a.StatusCode, a.body)
			}
			done <- err
		}()
		eventually(t, "a reading in vain", func() bool { return s.count() > before })
		s.put("v2")
		if err := <-done; err != nil {
			t.Error(err)
		}
		g.wantVersions(t, "v1", "v2")
	})
}

// Two versions are refused at once, and the source has a third: nobody gets
// back the version that was just refused for him.
//
// F63
func TestOverlappingRefusalsGetAnotherVersion(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		g := newGate()
		both := make(chan struct{})
		var first atomic.Int64
		g.refuse = func(w http.ResponseWriter, _ *http.Request) {
			if first.Add(1) == 2 {
				close(both)
			}
			<-both
			w.WriteHeader(http.StatusUnauthorized)
		}
		srv := p.serve(t, g)
		s := newStore("v1")
		ring := keep(t, s)
		rt := transport.New(ring, transport.Bearer(), transport.WithBase(srv.base(t)))
		var wg sync.WaitGroup
		for i := range 2 {
			wg.Go(func() {
				req := get(t, srv.URL)
				req.Header.Set("Request-Id", fmt.Sprint(i))
				a, err := try(rt, req)
				if err != nil {
					t.Error(err)
					return
				}
				if a.StatusCode != http.StatusOK || a.seen.Version() != "v3" {
					t.Errorf("request %d: status %d with %q", i, a.StatusCode, a.seen.Version())
				}
			})
			eventually(t, "the request to arrive", func() bool { return len(g.records()) >= i+1 })
			if i == 0 {
				move(t, ring, s, "v2", "v1")
				s.mu.Lock()
				s.set = listed("v3", "v2", "v1") // for whoever reads
				s.mu.Unlock()
				g.accept("v3")
			}
		}
		wg.Wait()
		seen := map[string]bool{}
		for _, r := range g.records() {
			if seen[r.request+r.version] {
				t.Errorf("request %s was sent with %s twice", r.request, r.version)
			}
			seen[r.request+r.version] = true
		}
	})
}

// Three replicas learn of v2 at different times: no request fails, and few are
// sent twice.
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
		ring := keep(t, s, source.WithObserver(func(e source.Event) {
			if e.Kind == source.FellBack || e.Kind == source.Recovered {
				switches.Add(1)
			}
		}))
		rt := transport.New(ring, transport.Bearer(), transport.WithBase(api.Client().Transport))
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
		if v := ring.Version(); v != "v2" {
			t.Errorf("%s is in use at the end", v)
		}
		ring.Close()
	})
}

// A server that takes the new version now and then does not make the ring flap.
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
		ring := keep(t, s, source.WithObserver(func(e source.Event) {
			if e.Kind == source.FellBack || e.Kind == source.Recovered {
				moves.Add(1)
			}
		}))
		rt := transport.New(ring, transport.Bearer(), transport.WithBase(api.Client().Transport))
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
		ring.Close()
	})
}

// Two rotations inside one overlap: the server takes only v2, then only v1.
//
// F68
func TestFallsBackAcrossTwoRotations(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		g := newGate("v2")
		srv := p.serve(t, g)
		s := newStore("v1")
		ring := keep(t, s)
		rt := transport.New(ring, transport.Bearer(), transport.WithBase(srv.base(t)))
		move(t, ring, s, "v2", "v1")
		move(t, ring, s, "v3", "v2", "v1")
		send(t, rt, get(t, srv.URL)).want(t, http.StatusOK, "v2", 2)
		g.accept("v1")
		a := send(t, rt, get(t, srv.URL))
		if a.StatusCode != http.StatusOK || a.seen.Version() != "v1" {
			t.Errorf("status %d with %q: %q", a.StatusCode, a.seen.Version(), g.versions())
		}
	})
}

// Whether the overlap is over is decided when the refusal is read, not when the
// request left.
//
// F69
func TestOverlapThatEndsMidRequest(t *testing.T) {
	for name, c := range map[string]struct {
		held   time.Duration
		status int
		sent   int
	}{
		"inside":  {59 * time.Second, http.StatusOK, 2},
		"outside": {61 * time.Second, http.StatusUnauthorized, 1},
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
				ring := keep(t, s, source.WithOverlap(time.Minute), source.WithRefusalWait(0), source.WithPoll(time.Hour))
				rt := transport.New(ring, transport.Bearer(), transport.WithBase(api.Client().Transport))
				time.Sleep(time.Second)
				s.mu.Lock()
				s.set = plain(v2)
				s.mu.Unlock()
				if err := ring.Refresh(t.Context()); err != nil {
					t.Fatal(err)
				}
				hold := api.Hold("v2")
				go func() {
					time.Sleep(c.held)
					hold.Release()
				}()
				a, err := try(rt, get(t, api.URL()+"/"))
				if err != nil || a.StatusCode != c.status || a.seen.Attempts() != c.sent {
					t.Errorf("%v, %d attempts, error %v", a.Response, a.seen.Attempts(), err)
				}
				ring.Close()
			})
		})
	}
}

// A previous key that was revoked at the server is not tried again and again.
//
// F70
func TestRefusedPreviousIsNotTriedAgain(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		g := newGate("v1")
		srv := p.serve(t, g)
		ring := keep(t, newStore("v2", "v1"), source.WithRefusalWait(0))
		rt := transport.New(ring, transport.Bearer(), transport.WithBase(srv.base(t)))
		send(t, rt, get(t, srv.URL)).want(t, http.StatusOK, "v1", 2)
		g.accept("v2") // v1 is out, early
		send(t, rt, get(t, srv.URL)).want(t, http.StatusOK, "v2", 2)
		g.accept() // and now v2 is refused too
		for range 20 {
			send(t, rt, get(t, srv.URL)).want(t, http.StatusUnauthorized, "v2", 1)
		}
		for i, v := range g.versions() {
			if i > 2 && v == "v1" {
				t.Fatalf("v1 was tried again: %q", g.versions())
			}
		}
	})
}

// Back and forth at the source.
//
// F71
func TestRollbackAtTheSource(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		g := newGate("v1", "v2")
		srv := p.serve(t, g)
		s := newStore("v1")
		ring := keep(t, s)
		rt := transport.New(ring, transport.Bearer(), transport.WithBase(srv.base(t)))
		for _, versions := range [][]string{{"v2", "v1"}, {"v1", "v2"}, {"v2", "v1"}} {
			move(t, ring, s, versions...)
			send(t, rt, get(t, srv.URL)).want(t, http.StatusOK, versions[0], 1)
		}
		move(t, ring, s, "v1", "v2")
		g.accept("v2")
		send(t, rt, get(t, srv.URL)).want(t, http.StatusOK, "v2", 2)
	})
}

// A stream that began with one version goes on while others come and go.
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
		ring := keep(t, s)
		rt := transport.New(ring, transport.Bearer(), transport.WithBase(srv.base(t)), transport.WithRecycle())
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
			move(t, ring, s, v)
			send(t, rt, get(t, srv.URL)).want(t, http.StatusOK, v, 1)
			events <- v
			expect(v)
		}
	})
}

// The caller gives up while the refusal is on its way: no second attempt.
//
// F41
func TestCancelBetweenAttempts(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		ctx, cancel := context.WithCancel(t.Context())
		g := newGate("v1")
		g.refuse = func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusUnauthorized)
			cancel()
		}
		srv := p.serve(t, g)
		ring := keep(t, newStore("v2", "v1"))
		rt := transport.New(ring, transport.Bearer(), transport.WithBase(srv.base(t)))
		_, err := try(rt, get(t, srv.URL).WithContext(ctx))
		if !errors.Is(err, ctx.Err()) {
			t.Errorf("error %v", err)
		}
		g.wantVersions(t, "v2")
	})

	// The same where the answer is in already: the classifier is what comes
	// between the two attempts.
	protocols(t, func(t *testing.T, p protocol) {
		ctx, cancel := context.WithCancel(t.Context())
		g := newGate("v1")
		srv := p.serve(t, g)
		rt := transport.New(keep(t, newStore("v2", "v1")), transport.Bearer(), transport.WithBase(srv.base(t)),
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
}

// Client.Timeout is one budget for all attempts: a slow refusal and a slow
// answer end when it is spent.
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
		ring := keep(t, s)
		client := &http.Client{Timeout: time.Second,
			Transport: transport.New(ring, transport.Bearer(), transport.WithBase(api.Client().Transport))}
		start := time.Now()
		_, err := client.Do(get(t, api.URL()+"/"))
		var timeout interface{ Timeout() bool }
		if !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("error %v", err)
		}
		if d := time.Since(start); d != time.Second { // the bubble's clock: exact
			t.Errorf("ended after %v", d)
		}
		if n := len(api.Requests()); n != 2 {
			t.Errorf("%d attempts", n)
		}
		ring.Close()
	})
}

// A key that its scheme cannot use never becomes current: the good one stays,
// and nobody reads the bad one in the error.
//
// F19
func TestUnusableKeyNeverBecomesCurrent(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		g := newGate("v1")
		srv := p.serve(t, g)
		s := newStore("v1")
		ring := keep(t, s)
		rt := transport.New(ring, transport.Bearer(), transport.WithBase(srv.base(t)))
		s.mu.Lock()
		s.set = source.Set{Keys: []source.Key{{Version: "v2", Secret: source.NewSecret(sentinel + "v2\r\nX-Evil: 1")}}}
		s.mu.Unlock()
		err := ring.Refresh(t.Context())
		if !errors.Is(err, source.ErrUnusable) || strings.Contains(err.Error(), sentinel) {
			t.Errorf("error %v", err)
		}
		send(t, rt, get(t, srv.URL)).want(t, http.StatusOK, "v1", 1)
		g.wantVersions(t, "v1")
	})
}
