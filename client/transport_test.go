package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/client"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
)

// In a Route, and in another http.Client, a client's transport repeats requests as the
// client itself does.
//
// F142
func TestTransportRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent := 0
		c := newClient(t, source.Static(source.Key{Secret: source.NewSecret("sentinel-key")}), client.WithRetry(2),
			client.WithOrigin("https://api.example.com"), client.WithBase(baseFunc(func(*http.Request) (*http.Response, error) {
				if sent++; sent%3 != 0 {
					return &http.Response{StatusCode: http.StatusServiceUnavailable, Header: http.Header{}, Body: http.NoBody}, nil
				}
				return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody}, nil
			})))
		for name, rt := range map[string]http.RoundTripper{
			"client": c.Client.Transport, "Transport": c.Transport(), "Route": transport.Route(transport.Rule{Transport: c.Transport()}),
		} {
			resp, err := (&http.Client{Transport: rt}).Get("https://api.example.com")
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusOK || sent != 3 {
				t.Errorf("%s: status %d after %d tries", name, resp.StatusCode, sent)
			}
			sent = 0
		}
		if c.Client.Transport != http.RoundTripper(c.Transport()) {
			t.Error("the client and Transport differ")
		}
	})
}

// In another http.Client, a client's transport has the client's time limit.
//
// F142, F136
func TestTransportLimits(t *testing.T) {
	for name, c := range map[string]struct {
		opts  []client.Option
		base  slow
		limit time.Duration // of the caller's own
		want  bool
		after time.Duration
	}{
		"answer in time":          {[]client.Option{client.WithTimeout(5 * time.Minute)}, slow{header: 35 * time.Second, piece: time.Minute, pieces: 4}, 0, true, 275 * time.Second},
		"header too late":         {[]client.Option{client.WithTimeout(5 * time.Minute)}, slow{header: time.Hour}, 0, false, 5 * time.Minute},
		"body too late":           {[]client.Option{client.WithTimeout(5 * time.Minute)}, slow{piece: time.Minute, pieces: 6}, 0, false, 5 * time.Minute},
		"the caller's is shorter": {[]client.Option{client.WithTimeout(5 * time.Minute)}, slow{header: time.Hour}, time.Minute, false, time.Minute},
		"the caller's is longer":  {[]client.Option{client.WithTimeout(time.Minute)}, slow{header: time.Hour}, 5 * time.Minute, false, time.Minute},
		"none":                    {[]client.Option{client.WithTimeout(0)}, slow{header: time.Hour}, 0, true, time.Hour},
		"default":                 {nil, slow{header: time.Hour}, 0, false, time.Minute},
		"default, stream of 70 s": {nil, slow{piece: 10 * time.Second, pieces: 7}, 0, true, 70 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			base := c.base
			cl := newClient(t, source.Static(source.Key{Secret: source.NewSecret("sentinel-key")}),
				append(c.opts, client.WithBase(&base), client.WithOrigin("https://api.example.com"))...)
			mine := &http.Client{Transport: cl.Transport(), Timeout: c.limit}
			began := time.Now()
			resp, err := mine.Get("https://api.example.com")
			if err == nil {
				_, err = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
			if took := time.Since(began); took != c.after || (err == nil) != c.want {
				t.Errorf("%s: ended after %v, want %v; error %v", name, took, c.after, err)
			}
			var timeout net.Error
			if err != nil && (!errors.As(err, &timeout) || !timeout.Timeout() || !errors.Is(err, context.DeadlineExceeded)) {
				t.Errorf("%s: the error is no timeout: %v", name, err)
			}
		})
	}
}

// A zero Transport fails and does not panic.
//
// F109
func TestZeroTransport(t *testing.T) {
	for _, rt := range []*client.Transport{nil, {}} {
		if _, err := (&http.Client{Transport: rt}).Get("https://api.example.com"); !errors.Is(err, source.ErrNoKey) {
			t.Errorf("error %v", err)
		}
		rt.CloseIdleConnections()
	}
}

// Each tenant has a client and a key of its own. All share one base, and with it the
// connections to the API.
func Example_tenants() {
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer sentinel-of-"))
	}))
	defer api.Close()
	base := &http.Transport{MaxIdleConnsPerHost: 64}
	defer base.CloseIdleConnections()

	tenants := make(map[string]*client.Client)
	for _, name := range []string{"ada", "bob"} {
		c, err := client.New(context.Background(), source.Static(source.Key{Secret: source.NewSecret("sentinel-of-" + name)}),
			client.WithOrigin(api.URL), client.WithBase(base), client.WithRing(ring.WithLogger(nil)))
		if err != nil {
			log.Fatal(err)
		}
		defer c.Close()
		tenants[name] = c
	}
	for _, name := range []string{"ada", "bob", "ada"} {
		resp, err := tenants[name].Get(api.URL)
		if err != nil {
			log.Fatal(err)
		}
		who, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		fmt.Printf("%s\n", who)
	}
	// Output:
	// ada
	// bob
	// ada
}

// Clients with one base share its connections.
//
// F142
func TestTenantsShareConnections(t *testing.T) {
	var conns atomic.Int64
	api := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	api.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			conns.Add(1) // before the request is answered
		}
	}
	api.Start()
	defer api.Close()
	base := &http.Transport{}
	defer base.CloseIdleConnections()
	for i := range 200 {
		c := newClient(t, source.Static(source.Key{Secret: source.NewSecret(fmt.Sprintf("sentinel-%d", i))}),
			client.WithOrigin(api.URL), client.WithBase(base))
		if code := get(t, c, api.URL); code != http.StatusOK {
			t.Errorf("status %d", code)
		}
		c.Close()
	}
	if n := conns.Load(); n != 1 {
		t.Errorf("200 clients opened %d connections", n)
	}
}
