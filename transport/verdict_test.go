package transport_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
)

// answers is a base that answers each version as the test says, and 401 to all others.
type answers map[string]int

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	for v, code := range a {
		if r.Header.Get("Authorization") == "Bearer "+sentinel+v {
			return status(code), nil
		}
	}
	return status(http.StatusUnauthorized), nil
}

func verdicts(of map[int]transport.Verdict) transport.Option {
	return transport.WithClassifier(func(a *transport.Answer) transport.Verdict { return of[a.Status] })
}

// A 200 that says "busy" is not an acceptance: a refused key stays refused.
//
// F51, F58
func TestSilentAnswerIsNoAcceptance(t *testing.T) {
	keys := quiet(t, newStore("v2", "v1"))
	base := answers{"v2": http.StatusUnauthorized, "v1": http.StatusOK}
	rt := unbound(keys, transport.Bearer(), transport.WithBase(base), verdicts(map[int]transport.Verdict{
		http.StatusUnauthorized: transport.Refused, http.StatusAccepted: transport.Inconclusive,
	}))
	send(t, rt, get(t, "https://a.example/")).want(t, http.StatusOK, "v1", 2)
	base["v2"], base["v1"] = http.StatusAccepted, http.StatusUnauthorized
	send(t, rt, get(t, "https://a.example/")).want(t, http.StatusAccepted, "v2", 2)
	if st := keys.Status(); st.Current.Accepted != 0 || st.Current.State == ring.StateAccepted || st.Current.InFlight != 0 {
		t.Errorf("%+v", st.Current)
	}
}

// An answer that may come from a firewall proves nothing about its key. After an
// ambiguous refusal only a success proves a key.
//
// F51, F65
func TestWhatVouchesForTheOtherKey(t *testing.T) {
	for _, c := range []struct {
		first  transport.Verdict
		second int
		moved  bool
	}{
		{transport.Refused, http.StatusOK, true},
		{transport.Refused, http.StatusNotFound, true},
		{transport.Refused, http.StatusUnprocessableEntity, true},
		{transport.Refused, http.StatusForbidden, false},
		{transport.Refused, http.StatusTeapot, false},
		{transport.Refused, http.StatusTooManyRequests, false},
		{transport.Refused, http.StatusBadGateway, false},
		{transport.Ambiguous, http.StatusOK, true},
		{transport.Ambiguous, http.StatusNotFound, false},
	} {
		keys := quiet(t, newStore("v2", "v1"))
		rt := unbound(keys, transport.Bearer(), transport.WithBase(answers{"v1": c.second}),
			verdicts(map[int]transport.Verdict{http.StatusUnauthorized: c.first}))
		send(t, rt, get(t, "https://a.example/")).want(t, c.second, "v1", 2)
		if moved := keys.Version() == "v1"; moved != c.moved {
			t.Errorf("verdict %d, then %d: the other key took over: %t, want %t", c.first, c.second, moved, c.moved)
		}
	}
}

// orders is Bearer for an API where a request to a path that ends in /order has an
// effect, even a GET.
func orders() transport.Scheme {
	return with(transport.Bearer(), func(traits *transport.Traits) {
		traits.NotIdempotent = func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/order") }
	})
}

// A GET that has an effect is not sent again when the connection is lost after it was
// written. Any other GET is.
//
// F67
func TestOrderByGetIsSentOnce(t *testing.T) {
	var arrived atomic.Int64
	srv := protocol(1).serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/warm" {
			return // net/http repeats a request only on a connection that was used before
		}
		if r.URL.Path != "/empty/order" && (r.ContentLength != 0 || len(r.TransferEncoding) > 0) {
			t.Errorf("a body of %d bytes, %v", r.ContentLength, r.TransferEncoding)
		}
		arrived.Add(1)
		panic(http.ErrAbortHandler)
	}))
	rt := unbound(keep(t, newStore("v1")), orders(), transport.WithBase(srv.base(t)))
	for _, c := range []struct {
		method, path, header string
		times                int64
	}{
		{http.MethodGet, "/order", "", 1}, {http.MethodGet, "/data", "", 2},
		{http.MethodPost, "/order", "", 1}, {http.MethodPost, "/data", "Idempotency-Key", 2},
		{http.MethodPost, "/empty/order", "Idempotency-Key", 1}, // the header is present but empty
	} {
		send(t, rt, get(t, srv.URL+"/warm")).want(t, http.StatusOK, "v1", 1)
		arrived.Store(0)
		req := request(t, c.method, srv.URL+c.path, nil)
		switch {
		case c.path == "/empty/order":
			req.Header[c.header] = nil
		case c.header != "":
			req.Header.Set(c.header, "1")
		}
		if _, err := try(rt, req); err == nil {
			t.Errorf("%s %s: no error", c.method, c.path)
		}
		if n := arrived.Load(); n != c.times {
			t.Errorf("%s %s arrived %d times, want %d", c.method, c.path, n, c.times)
		}
	}
}

// A GET that has an effect still falls back, over both protocols.
//
// F50, F67
func TestOrderByGetFallsBack(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		srv := p.serve(t, newGate("v1"))
		rt := unbound(keep(t, newStore("v2", "v1")), orders(), transport.WithBase(srv.base(t)))
		send(t, rt, get(t, srv.URL+"/order")).want(t, http.StatusOK, "v1", 2)
	})
}

// sequential is Bearer with one request at a time. Requests to /data need no key.
func sequential() transport.Scheme {
	return with(transport.Bearer(), func(traits *transport.Traits) {
		traits.Sequential = true
		traits.NeedsKey = func(r *http.Request) bool { return r.URL.Path != "/data" }
	})
}

// Of sequential requests only one is under way at a time. If a waiting request is
// cancelled, the others go on.
//
// F41
func TestSequentialRequests(t *testing.T) {
	var out, most, data atomic.Int64
	hold := make(chan struct{})
	entered := make(chan struct{}, 1)
	base := roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.URL.Path == "/data" {
			data.Add(1)
			return status(http.StatusOK), nil
		}
		if n := out.Add(1); n > most.Load() {
			most.Store(n)
		}
		defer out.Add(-1)
		if r.URL.Path == "/held" {
			entered <- struct{}{}
			<-hold
		}
		return status(http.StatusOK), nil
	})
	keys := keep(t, newStore("v1"))
	rt := unbound(keys, sequential(), transport.WithBase(base))
	var wg sync.WaitGroup
	wg.Go(func() { send(t, rt, get(t, "https://a.example/held")).want(t, http.StatusOK, "v1", 1) })
	<-entered
	send(t, rt, get(t, "https://a.example/data")).want(t, http.StatusOK, "", 1)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := try(rt, get(t, "https://a.example/late").WithContext(ctx)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a request that waited for its turn: %v", err)
	}
	for i := range 50 {
		wg.Go(func() {
			send(t, rt, get(t, fmt.Sprintf("https://a.example/%d", i))).want(t, http.StatusOK, "v1", 1)
		})
	}
	close(hold)
	wg.Wait()
	if most.Load() != 1 || data.Load() != 1 {
		t.Errorf("%d out at a time, %d of data", most.Load(), data.Load())
	}
	if st := keys.Status().Current; st.Requests != 51 || st.InFlight != 0 {
		t.Errorf("%d requests, %d in flight; the one that gave up was none", st.Requests, st.InFlight)
	}
}

// However a sequential request ends, the next one gets its turn.
//
// F41, F97
func TestSequentialRequestGivesItsTurnBack(t *testing.T) {
	for name, out := range map[string]func(context.CancelFunc) error{
		"the context ended": func(cancel context.CancelFunc) error { cancel(); return context.Canceled },
		"ended, answered":   func(cancel context.CancelFunc) error { cancel(); return nil },
		"the base failed":   func(context.CancelFunc) error { return errBase },
		"the base panicked": func(context.CancelFunc) error { panic(errBase) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				base := roundTripper(func(r *http.Request) (*http.Response, error) {
					if r.URL.Path == "/first" {
						if err := out(cancel); err != nil {
							return nil, err
						}
					}
					return status(http.StatusOK), nil
				})
				rt := unbound(quiet(t, newStore("v1")), sequential(), transport.WithBase(base))
				func() {
					defer func() {
						if panicked := recover() != nil; panicked != (name == "the base panicked") {
							t.Errorf("panicked: %v", panicked)
						}
					}()
					_, _ = rt.RoundTrip(get(t, "https://a.example/first").WithContext(ctx))
				}()
				next, stop := context.WithTimeout(t.Context(), time.Minute)
				defer stop()
				if _, err := rt.RoundTrip(get(t, "https://a.example/next").WithContext(next)); err != nil {
					t.Errorf("the next request: %v", err)
				}
			})
		})
	}
}

// counting is Bearer that learns the time from every answer, and counts the answers.
func counting(learnt *atomic.Int64) transport.Scheme {
	return with(transport.Bearer(), func(traits *transport.Traits) {
		traits.Resync = func(*transport.Answer) bool { learnt.Add(1); return true }
	})
}

// The server's clock is learned from any attempt that it refuses. A request is signed
// again for this reason only once.
//
// F73
func TestClockIsLearntFromAnyAttempt(t *testing.T) {
	var learnt atomic.Int64
	n := 0
	base := roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.Header.Get("Authorization") == "Bearer "+sentinel+"v2" {
			return status(http.StatusUnauthorized), nil
		}
		if n++; n == 2 {
			return status(http.StatusOK), nil
		}
		return status(http.StatusConflict), nil
	})
	keys := quiet(t, newStore("v2", "v1"))
	rt := unbound(keys, counting(&learnt), transport.WithBase(base),
		verdicts(map[int]transport.Verdict{http.StatusUnauthorized: transport.Refused, http.StatusConflict: transport.ClockSkew}))
	send(t, rt, get(t, "https://a.example/")).want(t, http.StatusOK, "v1", 3)
	send(t, rt, get(t, "https://a.example/")).want(t, http.StatusConflict, "v1", 2) // refused for good
	if learnt.Load() != 3 {
		t.Errorf("learnt %d times", learnt.Load())
	}
}

// A request with the caller's own key says nothing about the ring's keys, and does not
// take the turn of another request.
//
// F47
func TestCallersKeyIsNotCounted(t *testing.T) {
	keys := quiet(t, newStore("v2", "v1"))
	rt := unbound(keys, transport.Bearer(), transport.WithBase(takes("v1")), transport.WithPassThrough())
	send(t, rt, get(t, "https://a.example/")).want(t, http.StatusOK, "v1", 2)
	own := get(t, "https://a.example/")
	own.Header.Set("Authorization", "Bearer mine")
	send(t, rt, own).want(t, http.StatusUnauthorized, transport.CallersKey, 1)
	if st := keys.Status(); st.Versions[0].Requests != 1 || st.Versions[1].Requests != 1 || st.Versions[0].InFlight+st.Versions[1].InFlight != 0 {
		t.Errorf("%+v", st.Versions)
	}
	keys.Close()
	send(t, rt, own).want(t, http.StatusUnauthorized, transport.CallersKey, 1) // it needs none of the ring's keys
}

// A sequential request carries the key that is current when its turn comes. If bad keys
// lock out, only one of many waiting requests finds out that a key is refused.
//
// F58, F59
func TestSequentialRequestsTakeTheKeyInTurn(t *testing.T) {
	for name, lockout := range map[string]bool{"rotation": false, "lockout": true} {
		t.Run(name, func(t *testing.T) {
			hold, entered := make(chan struct{}), make(chan struct{}, 1)
			var bad atomic.Int64
			good := "v2"
			if lockout {
				good = "none"
			}
			base := roundTripper(func(r *http.Request) (*http.Response, error) {
				if r.URL.Path == "/held" {
					entered <- struct{}{}
					<-hold
					return status(http.StatusOK), nil
				}
				if r.Header.Get("Authorization") != "Bearer "+sentinel+good {
					bad.Add(1)
					return status(http.StatusUnauthorized), nil
				}
				return status(http.StatusOK), nil
			})
			s := newStore("v1")
			opts := []ring.Option{ring.WithRefusalWait(0)}
			if lockout {
				opts = append(opts, ring.WithLockout())
			}
			keys := quiet(t, s, opts...)
			rt := unbound(keys, sequential(), transport.WithBase(base))
			var wg sync.WaitGroup
			wg.Go(func() { send(t, rt, get(t, "https://a.example/held")) })
			<-entered
			for i := range 20 {
				wg.Go(func() { _, _ = try(rt, get(t, fmt.Sprintf("https://a.example/%d", i))) })
			}
			if !lockout {
				s.mu.Lock()
				s.set = listed("v2")
				s.mu.Unlock()
				if err := keys.Refresh(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			close(hold)
			wg.Wait()
			if most := map[bool]int64{false: 0, true: 3}[lockout]; bad.Load() > most {
				t.Errorf("a dead key was sent %d times", bad.Load())
			}
		})
	}
}

// An answer after the clock was corrected proves no more about the key than the same
// answer without the correction.
//
// F51, F73
func TestNotFoundAfterAResyncIsNoAcceptance(t *testing.T) {
	n := 0
	base := roundTripper(func(*http.Request) (*http.Response, error) {
		if n++; n == 1 {
			return status(http.StatusConflict), nil
		}
		return status(http.StatusNotFound), nil
	})
	keys := quiet(t, newStore("v1"))
	var learnt atomic.Int64
	rt := unbound(keys, counting(&learnt), transport.WithBase(base),
		verdicts(map[int]transport.Verdict{http.StatusConflict: transport.ClockSkew}))
	send(t, rt, get(t, "https://a.example/")).want(t, http.StatusNotFound, "v1", 2)
	if st := keys.Status().Current; st.Accepted != 0 || st.State == ring.StateAccepted {
		t.Errorf("%+v", st)
	}
}

// After a 403 a GET that has an effect is sent again no more than a POST, unless the
// caller's policy allows it.
//
// F67
func TestOrderByGetIsNotPlacedTwice(t *testing.T) {
	always := transport.WithReplay(func(*http.Request, *http.Response, transport.Verdict) bool { return true })
	for name, c := range map[string]struct {
		path, header string
		opts         []transport.Option
		attempts     int
	}{
		"order":               {"/order", "", nil, 1},
		"idempotent":          {"/order", "Idempotency-Key", nil, 2},
		"data":                {"/data", "", nil, 2},
		"the caller's policy": {"/order", "", []transport.Option{always}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGate("v1")
			g.refuse = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }
			srv := protocol(1).serve(t, g)
			rt := unbound(keep(t, newStore("v2", "v1")), orders(), append(c.opts,
				transport.WithBase(srv.base(t)), transport.WithClassifier(transport.Statuses(http.StatusForbidden)))...)
			req := get(t, srv.URL+c.path)
			if c.header != "" {
				req.Header.Set(c.header, "1")
			}
			if a := send(t, rt, req); a.seen.Attempts() != c.attempts {
				t.Errorf("status %d after %d attempts, want %d", a.StatusCode, a.seen.Attempts(), c.attempts)
			}
		})
	}
}
