package toxic

import (
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/storetest"
	"github.com/rollingkeys/rollingkeys/source/internal/storetest/proxy"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/source/vault"
	"github.com/rollingkeys/rollingkeys/source/vault/internal/vaulttest"
)

const down = "downstream"

func TestMain(m *testing.M) { // F104
	proxy.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		vaulttest.Clean()
		os.Exit(code)
	}))
}

// F75, F79, F106: the network fails in several ways. The ring keeps its key, and switches to
// the new one by itself when the network works again.
func TestBadNetwork(t *testing.T) {
	server := vaulttest.Start(t)
	kv := vaulttest.Client(t, server.Address, server.Token, &http.Transport{}).KVv2("secret")
	for name, tc := range map[string]struct {
		kind, stream string // of a toxic; if they are empty, the proxy stops
		attributes   map[string]int
		slow         bool // readings still succeed, but slowly
	}{
		"slow answers":                     {"latency", down, map[string]int{"latency": 200, "jitter": 100}, true},
		"answers later than anyone waits":  {"latency", down, map[string]int{"latency": 60000}, false},
		"a trickle":                        {"bandwidth", down, map[string]int{"rate": 0}, false},
		"answers in little pieces":         {"slicer", down, map[string]int{"average_size": 64, "size_variation": 32, "delay": 10000}, true},
		"connection reset":                 {"reset_peer", down, map[string]int{"timeout": 0}, false},
		"connection reset by the request":  {"reset_peer", "upstream", map[string]int{"timeout": 0}, false},
		"connection ended in mid-answer":   {"limit_data", down, map[string]int{"bytes": 300}, false},
		"connection that swallows all":     {"timeout", down, map[string]int{"timeout": 0}, false},
		"connection closed after a moment": {"timeout", down, map[string]int{"timeout": 50}, false},
		"nobody listens":                   {"", "", nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			path := strings.ReplaceAll(name, " ", "-")
			put := func(text string) {
				t.Helper()
				if _, err := kv.Put(t.Context(), path, map[string]any{"secret": text}); err != nil {
					t.Fatal(err)
				}
			}
			put(conformance.NewKey(1).Secret.Expose())
			between := proxy.New(t, strings.TrimPrefix(server.Address, "http://"))
			src, err := vault.New(vaulttest.Client(t, "http://"+between.Addr, server.Token, &http.Transport{}), "secret", path)
			if err != nil {
				t.Fatal(err)
			}
			keys, _ := storetest.Keep(t, src, ring.WithPoll(time.Second))
			storetest.Requests(t, keys)

			if tc.kind == "" {
				between.Stop()
			} else {
				between.Toxic(tc.kind, tc.stream, tc.attributes)
			}
			put(conformance.NewKey(2).Secret.Expose())
			err = keys.Refresh(t.Context())
			switch {
			case tc.slow && (err != nil || keys.Version() != "2"):
				t.Errorf("version %q, error %v", keys.Version(), err)
			case !tc.slow && !errors.Is(err, source.ErrUnavailable):
				t.Errorf("the reading says %v", err)
			case !tc.slow && keys.Version() != "1":
				t.Errorf("%q is in use during the fault", keys.Version())
			}
			between.Start()
			put(conformance.NewKey(3).Secret.Expose())
			storetest.Eventually(t, "version 3", func() bool { return keys.Version() == "3" })
		})
	}
}
