package toxic

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/vault"
	"github.com/rollingkeys/rollingkeys/source/vault/internal/vaulttest"
)

func TestMain(m *testing.M) { // F104
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		vaulttest.Clean()
		os.Exit(code)
	}))
}

// F75, F79, F106: what a network does to the source. The ring goes on with the
// key it has, and takes up the new one by itself when the network is well.
func TestBadNetwork(t *testing.T) {
	server := vaulttest.Start(t)
	kv := vaulttest.Client(t, server.Address, server.Token, &http.Transport{}).KVv2("secret")
	proxies := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	for name, tc := range map[string]struct {
		toxic string // as toxiproxy's API has it; empty: the proxy stops
		slow  bool   // it works all the same, if slowly
	}{
		"slow answers":                     {`{"type":"latency","attributes":{"latency":200,"jitter":100}}`, true},
		"answers later than anyone waits":  {`{"type":"latency","attributes":{"latency":60000}}`, false},
		"a trickle":                        {`{"type":"bandwidth","attributes":{"rate":0}}`, false},
		"answers in little pieces":         {`{"type":"slicer","attributes":{"average_size":64,"size_variation":32,"delay":10000}}`, true},
		"connection reset":                 {`{"type":"reset_peer","attributes":{"timeout":0}}`, false},
		"connection reset by the request":  {`{"type":"reset_peer","stream":"upstream","attributes":{"timeout":0}}`, false},
		"connection ended in mid-answer":   {`{"type":"limit_data","attributes":{"bytes":300}}`, false},
		"connection that swallows all":     {`{"type":"timeout","attributes":{"timeout":0}}`, false},
		"connection closed after a moment": {`{"type":"timeout","attributes":{"timeout":50}}`, false},
		"nobody listens":                   {"", false},
	} {
		t.Run(name, func(t *testing.T) {
			path := strings.ReplaceAll(name, " ", "-")
			put := func(text string) {
				t.Helper()
				if _, err := kv.Put(t.Context(), path, map[string]any{"secret": text}); err != nil {
					t.Fatal(err)
				}
			}
			put("token-1")
			proxy := toxiproxy.NewProxy(proxies, path, "127.0.0.1:0", strings.TrimPrefix(server.Address, "http://"))
			if err := proxy.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(proxy.Stop)
			src, err := vault.New(vaulttest.Client(t, "http://"+proxy.Listen, server.Token, &http.Transport{}), "secret", path)
			if err != nil {
				t.Fatal(err)
			}
			ring, err := source.Keep(t.Context(), src,
				source.WithPoll(time.Second), source.WithReadTimeout(2*time.Second), source.WithLogger(nil))
			if err != nil {
				t.Fatal(err)
			}
			defer ring.Close()
			requests := use(t, ring)

			if tc.toxic == "" {
				proxy.Stop()
			} else if _, err := proxy.Toxics.AddToxicJson(strings.NewReader(tc.toxic)); err != nil {
				t.Fatal(err)
			}
			put("token-2")
			err = ring.Refresh(t.Context())
			switch {
			case tc.slow && (err != nil || ring.Version() != "2"):
				t.Errorf("version %q, error %v", ring.Version(), err)
			case !tc.slow && !errors.Is(err, source.ErrUnavailable):
				t.Errorf("the reading says %v", err)
			case !tc.slow && ring.Version() != "1":
				t.Errorf("%q is in use during the fault", ring.Version())
			}
			if tc.toxic == "" {
				if err := proxy.Start(); err != nil {
					t.Fatal(err)
				}
			} else {
				proxy.Toxics.ResetToxics(t.Context())
			}
			put("token-3")
			tick := time.NewTicker(2 * time.Millisecond)
			defer tick.Stop()
			for end := time.Now().Add(20 * time.Second); ring.Version() != "3"; <-tick.C {
				if time.Now().After(end) {
					t.Fatalf("the ring never recovers: %s", ring.Status().LastError)
				}
			}
			requests()
		})
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
