package transport_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/remote"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
)

// The observation and the version header report what the server received.
//
// F74
func TestObservation(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		g := newGate("v1")
		srv := p.serve(t, g)
		s := newStore("v2", "v1")
		keys := keep(t, s, ring.WithRefusalWait(0))
		rt := unbound(keys, transport.Bearer(), transport.WithBase(srv.base(t)), transport.WithVersionHeader("Key-Version"))
		expect := func(what string, status int, version string, attempts int, moved bool) {
			t.Helper()
			a := send(t, rt, get(t, srv.URL))
			a.want(t, status, version, attempts)
			if a.seen.Moved() != moved || a.Header.Get("Key-Version") != version || a.Header.Get("Served-Version") != version {
				t.Errorf("%s: moved %v, header %q, served %q", what, a.seen.Moved(), a.Header.Get("Key-Version"), a.Header.Get("Served-Version"))
			}
		}
		expect("fell back", 200, "v1", 2, true)
		expect("went on with it", 200, "v1", 1, false)
		move(t, keys, s, "v3")
		expect("refused", 401, "v3", 1, false)
		g.accept("v3")
		expect("accepted", 200, "v3", 1, false)
	})
}

// One observation counts all requests of a chain of redirects, and reports the last: it
// went to another origin, without the key.
//
// F53
func TestObservationOfARedirectElsewhere(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		w := newWorld(t, p)
		client := w.client(t, transport.Bearer())
		w.script(map[string]redirect{"a.example.com/": {302, "https://b.example.com/"}})
		a := send(t, client.Transport, get(t, "https://a.example.com/"))
		a.want(t, http.StatusOK, "", 2)
	})
}

// If nothing was sent, nothing is reported as sent.
func TestObservationOfWhatWasNotSent(t *testing.T) {
	keys := keep(t, newStore("v1"))
	keys.Close()
	a, err := try(unbound(keys, transport.Bearer(), transport.WithBase(stub{})), get(t, "https://api.example.com"))
	if err == nil || a.seen.Attempts() != 0 || a.seen.Version() != "" || a.seen.Moved() {
		t.Errorf("error %v; version %q, %d attempts", err, a.seen.Version(), a.seen.Attempts())
	}
}

// A server that gets no key of the ring, such as that of a redirect elsewhere, answers
// with the version header. The caller does not see it.
//
// F175
func TestForgedVersionHeader(t *testing.T) {
	forging := func(r *http.Request) (*http.Response, error) {
		resp := status(http.StatusOK)
		resp.Header.Set("Key-Version", "forged")
		if r.URL.Host == "api.example.com" && r.URL.Path == "/out" {
			resp.StatusCode = http.StatusFound
			resp.Header.Set("Location", "https://other.example")
		}
		return resp, nil
	}
	own := func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+dummy) }
	for name, c := range map[string]struct {
		scheme transport.Scheme
		path   string
		set    func(*http.Request)
		want   []string
	}{
		"keyed":              {transport.Bearer(), "/", nil, []string{"v1"}},
		"redirect elsewhere": {transport.Bearer(), "/out", nil, nil},
		"caller's own":       {transport.Bearer(), "/", own, []string{transport.CallersKey}},
		"needs no key":       {private(), "/public", nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			rt := transport.New(quiet(t, newStore("v1")), c.scheme, transport.WithOrigin("https://api.example.com"), transport.WithPassThrough(),
				transport.WithBase(roundTripper(forging)), transport.WithVersionHeader("Key-Version"))
			req := func() *http.Request {
				r := get(t, "https://api.example.com"+c.path)
				if c.set != nil {
					c.set(r)
				}
				return r
			}
			if got := send(t, rt, req()).Header.Values("Key-Version"); !slices.Equal(got, c.want) {
				t.Errorf("the header is %q, want %q", got, c.want)
			}
			if name == "redirect elsewhere" {
				return // Sign serves one request
			}
			r := req()
			signed, err := rt.Sign(r)
			if err != nil {
				t.Fatal(err)
			}
			resp, _ := forging(r)
			signed.Done(resp, nil)
			if got := resp.Header.Values("Key-Version"); !slices.Equal(got, c.want) {
				t.Errorf("signed: the header is %q, want %q", got, c.want)
			}
		})
	}
}

// private is a scheme that needs a key only for /private.
func private() transport.Scheme {
	return with(transport.Bearer(), func(traits *transport.Traits) {
		traits.NeedsKey = func(req *http.Request) bool { return req.URL.Path == "/private" }
	})
}

// A request that needs no key is sent without one. Its answer says nothing about the
// key.
func TestUnkeyedRequest(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		g := newGate("v1")
		srv := p.serve(t, g)
		keys := keep(t, newStore("v1"))
		rt := unbound(keys, private(), transport.WithBase(srv.base(t)))
		send(t, rt, get(t, srv.URL+"/public")).want(t, http.StatusUnauthorized, "", 1)
		if st := keys.Status(); st.Current.Refused != 0 || st.Current.Accepted != 0 || st.Current.InFlight != 0 || !st.Healthy {
			t.Errorf("status %+v", st.Current)
		}
		send(t, rt, get(t, srv.URL+"/private")).want(t, http.StatusOK, "v1", 1)
		g.wantVersions(t, "", "v1")
	})
}

// With WithRecycle a connection that the old key opened is not used with the new key.
func TestRecycle(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		srv := p.serve(t, newGate("v1", "v2"))
		s := newStore("v1")
		keys := keep(t, s)
		base := &recycled{Transport: srv.base(t), closed: make(chan struct{}, 8)}
		rt := unbound(keys, transport.Bearer(), transport.WithBase(base), transport.WithRecycle())
		send(t, rt, get(t, srv.URL)).want(t, http.StatusOK, "v1", 1)
		for i, versions := range [][]string{{"v2", "v1"}, {"v1", "v2"}} { // a switch, and a rollback
			move(t, keys, s, versions...)
			<-base.closed
			send(t, rt, get(t, srv.URL)).want(t, http.StatusOK, versions[0], 1)
			send(t, rt, get(t, srv.URL)).want(t, http.StatusOK, versions[0], 1)
			if n := srv.conns.Load(); n != int64(i+2) {
				t.Errorf("%d connections after %d switches", n, i+1)
			}
		}
	})
}

type recycled struct {
	*http.Transport
	closed chan struct{}
}

func (r *recycled) CloseIdleConnections() {
	r.Transport.CloseIdleConnections()
	r.closed <- struct{}{}
}

// withDefaults runs the test with its own defaults of net/http.
func withDefaults(t *testing.T, rt http.RoundTripper, log io.Writer) {
	t.Helper()
	oldTransport, oldLogger := http.DefaultTransport, slog.Default()
	t.Cleanup(func() {
		http.DefaultTransport = oldTransport
		slog.SetDefault(oldLogger)
	})
	http.DefaultTransport = rt
	slog.SetDefault(slog.New(slog.NewTextHandler(log, nil)))
}

// A transport that is installed as http.DefaultTransport does not call itself, and a
// source that reads by the default transport does not get the key.
//
// F45, F89
func TestInstalledAsDefaultTransport(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		g := newGate("v1")
		srv := p.serve(t, g)
		var keyed atomic.Int64
		keys := p.serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "" {
				keyed.Add(1)
			}
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"keys":[{"version":"v1","secret":"`+sentinel+`v1"}]}`)
		}))
		base := srv.base(t)
		withDefaults(t, base, io.Discard)
		src, err := remote.New(keys.URL, remote.WithTLS(keys.base(t).TLSClientConfig))
		if err != nil {
			t.Fatal(err)
		}
		live := keep(t, src)
		rt := transport.New(live, transport.Bearer(), transport.WithOrigin(srv.URL)) // its base: the default
		http.DefaultTransport = rt
		ctx, seen := transport.Observe(t.Context())
		resp, err := http.DefaultClient.Do(get(t, srv.URL).WithContext(ctx))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK || seen.Attempts() != 1 {
			t.Errorf("status %d after %d attempts", resp.StatusCode, seen.Attempts())
		}
		if err := live.Refresh(t.Context()); err != nil {
			t.Error(err)
		}
		if n := keyed.Load(); n != 0 {
			t.Errorf("the key went to its own source %d times", n)
		}
		g.wantVersions(t, "v1")
	})
}

// Inside a retry library the attempts multiply, up to the documented number: two for
// each try if the source has no new key.
//
// F52
func TestInsideARetryLibrary(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		const retries = 3
		g := newGate()
		srv := p.serve(t, g)
		keys := keep(t, newStore("v3", "v2", "v1"), ring.WithRefusalWait(0))
		client := retryablehttp.NewClient()
		client.Logger, client.RetryMax, client.RetryWaitMin, client.RetryWaitMax = nil, retries, 0, 0
		client.HTTPClient = &http.Client{Transport: unbound(keys, transport.Bearer(), transport.WithBase(srv.base(t)))}
		client.ErrorHandler = retryablehttp.PassthroughErrorHandler
		client.CheckRetry = func(_ context.Context, resp *http.Response, err error) (bool, error) {
			return err == nil && resp.StatusCode == http.StatusUnauthorized, nil
		}
		ctx, seen := transport.Observe(t.Context())
		req, err := retryablehttp.NewRequestWithContext(ctx, http.MethodPost, srv.URL, strings.NewReader("order"))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if n := len(g.records()); resp.StatusCode != http.StatusUnauthorized || n > 2*(retries+1) {
			t.Errorf("status %d after %d attempts", resp.StatusCode, n)
		} else if seen.Attempts() != n {
			t.Errorf("%d attempts were observed, %d sent", seen.Attempts(), n)
		}
	})
}

// An observation may be read while the request is under way.
func TestObservationIsSafeForConcurrentUse(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		srv := p.serve(t, newGate("v1"))
		rt := unbound(keep(t, newStore("v2", "v1")), transport.Bearer(), transport.WithBase(srv.base(t)))
		ctx, seen := transport.Observe(t.Context())
		var wg sync.WaitGroup
		stop := make(chan struct{})
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					_, _, _ = seen.Version(), seen.Attempts(), seen.Moved()
				}
			}
		})
		resp, err := rt.RoundTrip(get(t, srv.URL).WithContext(ctx))
		close(stop)
		wg.Wait()
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	})
}

// One observation of concurrent requests counts them all.
//
// F74
func TestObservationOfConcurrentRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answer := make(chan struct{})
		base := roundTripper(func(*http.Request) (*http.Response, error) {
			<-answer
			return status(http.StatusOK), nil
		})
		rt := unbound(quiet(t, newStore("v1")), transport.Bearer(), transport.WithBase(base))
		ctx, seen := transport.Observe(t.Context())
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() { _, _ = rt.RoundTrip(get(t, "https://api.example.com").WithContext(ctx)) })
		}
		synctest.Wait() // all requests are under way
		close(answer)
		wg.Wait()
		if n := seen.Attempts(); n != 8 || seen.Version() != "v1" {
			t.Errorf("%d attempts, the last with %q", n, seen.Version())
		}
	})
}

// An attempt that could not be signed does not count as sent; one that the base failed
// does.
//
// F74
func TestObservationOfFailedAttempts(t *testing.T) {
	fails := errors.New("fails")
	base := roundTripper(func(req *http.Request) (*http.Response, error) {
		if req.URL.Path == "/lost" {
			return nil, fails
		}
		return takes()(req)
	})
	signs := transport.SchemeFunc(func(k source.Key) (transport.Signer, error) {
		return transport.SignerFunc(func(req *http.Request) error {
			if k.Version == "v1" || req.URL.Path == "/unsigned" {
				return fails
			}
			return nil
		}), nil
	})
	for path, want := range map[string]struct {
		version  string
		attempts int
	}{
		"/lost":     {"v2", 1},
		"/unsigned": {"", 0},
		"/refused":  {"v2", 1}, // the second could not be signed
	} {
		rt := unbound(quiet(t, newStore("v2", "v1")), signs, transport.WithBase(base))
		a, err := try(rt, get(t, "https://api.example.com"+path))
		if !errors.Is(err, fails) || a.seen.Version() != want.version || a.seen.Attempts() != want.attempts || a.seen.Moved() {
			t.Errorf("%s: error %v; version %q, %d attempts, moved %v", path, err, a.seen.Version(), a.seen.Attempts(), a.seen.Moved())
		}
	}
}
